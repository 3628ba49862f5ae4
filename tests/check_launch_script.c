/* SPDX-License-Identifier: MIT */
/* Unit tests: the first line of a script as the kernel reads it, and what env makes of it. */
/* OBJS: shim/launch/script.o */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../shim/launch/script.h"

/* interp is NULL where the kernel takes it for no script. */
struct line {
	const char *head, *interp, *arg;
};

static void check_line(const char *head, size_t n, const char *interp, const char *arg)
{
	struct script script;

	ck_assert_msg(script_parse(head, n, &script) == (interp != NULL), "%s", head);
	if (!interp)
		return;
	ck_assert_str_eq(script.interp, interp);
	ck_assert_str_eq(script.arg, arg);
}

START_TEST(first_lines)
{
	static const struct line lines[] = {
		{"#!/bin/sh\n", "/bin/sh", ""},
		{"#!/bin/sh", "/bin/sh", ""},
		{"#! /bin/sh -e\nrest", "/bin/sh", "-e"},
		{"#!\t /bin/sh \t -e  -u \t\n", "/bin/sh", "-e  -u"},
		{"#!/bin/sh \n", "/bin/sh", ""},
		{"#!sh\n", "sh", ""},
		{"#!/bin/sh\r\n", "/bin/sh\r", ""},
		{"#!\n", NULL, NULL},
		{"#! \t \n/bin/sh\n", NULL, NULL},
		{"#!", "", ""}, /* EACCES, from opening the folder "" */
		{"# !/bin/sh\n", NULL, NULL},
		{" #!/bin/sh\n", NULL, NULL},
		{"#", NULL, NULL},
		{"", NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		check_line(lines[i].head, strlen(lines[i].head), lines[i].interp, lines[i].arg);
}
END_TEST

/* Checked against Linux 6.18: 255 characters run, a 256th cannot be seen to end. */
START_TEST(long_lines)
{
	char head[SCRIPT_HEAD + 8];
	struct script script;

	memset(head, '/', sizeof(head));
	memcpy(head, "#!", 2);
	head[SCRIPT_HEAD - 1] = '\n';
	ck_assert(script_parse(head, SCRIPT_HEAD, &script));
	ck_assert_uint_eq(strlen(script.interp), SCRIPT_HEAD - 3);
	head[SCRIPT_HEAD - 1] = '/';
	ck_assert(!script_parse(head, SCRIPT_HEAD, &script));
	/* never reads behind the head */
	head[SCRIPT_HEAD] = '\n';
	ck_assert(!script_parse(head, sizeof(head), &script));
	/* a cut argument is run, cut */
	head[10] = ' ';
	ck_assert(script_parse(head, SCRIPT_HEAD, &script));
	ck_assert_uint_eq(strlen(script.interp), 8);
	ck_assert_uint_eq(strlen(script.arg), SCRIPT_HEAD - 1 - 11);
	memset(head + 2, ' ', sizeof(head) - 2);
	ck_assert(!script_parse(head, SCRIPT_HEAD, &script));
}
END_TEST

START_TEST(nul_bytes)
{
	check_line("#!/bin/sh\0 -e\n", 14, "/bin/sh", "");
	check_line("#!/bin/sh -e\0u\n", 15, "/bin/sh", "-e");
	check_line("#!\0\n", 4, "", "");
}
END_TEST

START_TEST(binary)
{
	ck_assert(!script_is_binary("", 0));
	ck_assert(!script_is_binary("echo\n\0", 6));
	ck_assert(!script_is_binary("echo", 4));
	ck_assert(script_is_binary("ec\0ho\n", 6));
	ck_assert(script_is_binary("\0", 1));
}
END_TEST

START_TEST(env_lines)
{
	static const struct {
		const char *arg;
		enum env_says says;
		const char *name;
	} lines[] = {
		{"python3", ENV_RUNS, "python3"},
		{"python3 -u", ENV_RUNS, "python3 -u"},
		{"-S python3 -u", ENV_RUNS, "python3"},
		{"-Spython3 -u", ENV_RUNS, "python3"},
		{"-vS python3", ENV_RUNS, "python3"},
		{"--split-string=python3 -u", ENV_RUNS, "python3"},
		{"-S A=1 B=2 python3", ENV_RUNS, "python3"},
		{"-S -uHOME -v python3", ENV_RUNS, "python3"},
		{"-S --ignore-signal=INT python3", ENV_RUNS, "python3"},
		{"-S -i python3", ENV_CLEARS, NULL},
		{"-S - python3", ENV_CLEARS, NULL},
		{"-iS python3", ENV_CLEARS, NULL},
		{"-S -uLD_PRELOAD python3", ENV_CLEARS, NULL},
		{"-S PATH=/opt python3", ENV_UNKNOWN, NULL},
		{"-S \"python3\"", ENV_UNKNOWN, NULL},
		{"-S ${PYTHON}", ENV_UNKNOWN, NULL},
		{"-S -C /tmp python3", ENV_UNKNOWN, NULL},
		{"-S", ENV_UNKNOWN, NULL},
		{"-S A=1", ENV_UNKNOWN, NULL},
		{"-i", ENV_UNKNOWN, NULL},
		{"-", ENV_UNKNOWN, NULL},
		{"A=1", ENV_UNKNOWN, NULL},
		{"", ENV_UNKNOWN, NULL},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char name[SCRIPT_HEAD] = "";

		ck_assert_msg(script_env(lines[i].arg, name) == lines[i].says, "%s", lines[i].arg);
		if (lines[i].name)
			ck_assert_str_eq(name, lines[i].name);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launch_script");
	TCase *tests = tcase_create("script");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, first_lines);
	tcase_add_test(tests, long_lines);
	tcase_add_test(tests, nul_bytes);
	tcase_add_test(tests, binary);
	tcase_add_test(tests, env_lines);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
