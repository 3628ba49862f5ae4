/* SPDX-License-Identifier: MIT */
/* Unit tests: the table of options, its variables and their values. */
/* OBJS: shim/launch/options.o shim/launch/say.o */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../shim/launch/launch.h"
#include "../shim/options.h"

static const struct copatch_option a_count = {"count", "COPATCH_COUNT", COPATCH_OPT_COUNT,
					      "1..10000", "help"};
static const struct copatch_option a_flag = {"f", "COPATCH_F", COPATCH_OPT_FLAG, NULL, ""};
static const struct copatch_option a_file = {"t", "COPATCH_T", COPATCH_OPT_FILE, "FILE", ""};
static const struct copatch_option a_word = {"w", "COPATCH_W", COPATCH_OPT_WORD, "ab|abc|d", ""};

static int read_args(int *used, const char *first, const char *second, const char *third)
{
	char *args[] = {(char *)first, (char *)second, (char *)third, NULL};

	return options_read(args, used);
}

static int check_env(const char *entry)
{
	char *env[] = {"HOME=/", (char *)entry, NULL};

	return options_check_env(env);
}

/* What is refused also prints a line, which is no part of a test's output. */
static void quiet(void)
{
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
}

START_TEST(table)
{
	for (size_t i = 0; i < COPATCH_OPTIONS; i++) {
		const struct copatch_option *option = &copatch_options[i];

		ck_assert(copatch_is_env(option->env));
		ck_assert(!option->words == (option->kind == COPATCH_OPT_FLAG));
		ck_assert_ptr_nonnull(option->help);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(option->env, copatch_options[k].env);
	}
}
END_TEST

START_TEST(values)
{
	static const char *const bad[] = {"", "a", "abcd", "b", "ab|abc", "|", "ab|", "|d", "AB"};

	ck_assert_int_eq(copatch_option_value(&a_word, "ab"), 0);
	ck_assert_int_eq(copatch_option_value(&a_word, "abc"), 1);
	ck_assert_int_eq(copatch_option_value(&a_word, "d"), 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(copatch_option_value(&a_word, bad[i]) == -1, "%s", bad[i]);
	ck_assert_int_eq(copatch_option_value(&a_count, "1"), 1);
	ck_assert_int_eq(copatch_option_value(&a_count, "10000"), 10000);
	ck_assert_int_eq(copatch_option_value(&a_count, "0"), -1);
	ck_assert_int_eq(copatch_option_value(&a_count, "10001"), -1);
	ck_assert_int_eq(copatch_option_value(&a_count, "99999999999"), -1);
	ck_assert_int_eq(copatch_option_value(&a_count, "5x"), -1);
	ck_assert_int_eq(copatch_option_value(&a_count, "-5"), -1);
	ck_assert_int_eq(copatch_option_value(&a_file, "any"), 0);
	ck_assert_int_eq(copatch_option_value(&a_file, ""), -1);
	ck_assert_int_eq(copatch_option_value(&a_flag, "0"), 0);
	ck_assert_int_eq(copatch_option_value(&a_flag, "1"), 1);
	ck_assert_int_eq(copatch_option_value(&a_flag, "yes"), -1);
	ck_assert_int_eq(copatch_option_value(&a_flag, "01"), -1);
}
END_TEST

START_TEST(variables)
{
	const char *value = NULL;
	const struct copatch_option *option = copatch_option_of_env("COPATCH_LOG=warn", &value);

	ck_assert_ptr_nonnull(option);
	ck_assert_str_eq(option->name, "log");
	ck_assert_str_eq(value, "warn");
	ck_assert_ptr_null(copatch_option_of_env("COPATCH_LOG", &value));
	ck_assert_ptr_null(copatch_option_of_env("COPATCH_LOGS=warn", &value));
	ck_assert_ptr_null(copatch_option_of_env("COPATCH_LO=warn", &value));
	ck_assert(copatch_is_env("COPATCH_"));
	ck_assert(!copatch_is_env("COPATCH=1"));
	ck_assert(!copatch_is_env("XCOPATCH_LOG=1"));
}
END_TEST

START_TEST(environment)
{
	quiet();
	ck_assert_int_eq(check_env("COPATCH_STATS=1"), EXIT_PROCEED);
	ck_assert_int_eq(check_env("COPATCH_STATS=0"), EXIT_PROCEED);
	ck_assert_int_eq(check_env("COPATCH_LOG="), EXIT_PROCEED);
	ck_assert_int_eq(check_env("COPATCHED=1"), EXIT_PROCEED);
	ck_assert_int_eq(check_env("COPATCH_STATS=2"), EXIT_COPATCH);
	ck_assert_int_eq(check_env("COPATCH_LOG=loud"), EXIT_COPATCH);
	ck_assert_int_eq(check_env("COPATCH_STAT=1"), EXIT_COPATCH);
	ck_assert_int_eq(check_env("COPATCH_=1"), EXIT_COPATCH);
}
END_TEST

START_TEST(options)
{
	int used = -1;

	ck_assert_int_eq(read_args(&used, "--stats", "--log=debug", "prog"), EXIT_PROCEED);
	ck_assert_int_eq(used, 2);
	ck_assert_str_eq(getenv("COPATCH_STATS"), "1");
	ck_assert_str_eq(getenv("COPATCH_LOG"), "debug");
	ck_assert_int_eq(read_args(&used, "--log", "warn", "prog"), EXIT_PROCEED);
	ck_assert_int_eq(used, 2);
	ck_assert_str_eq(getenv("COPATCH_LOG"), "warn");
	ck_assert_int_eq(read_args(&used, "--", "--stats", NULL), EXIT_PROCEED);
	ck_assert_int_eq(used, 1);
	ck_assert_int_eq(read_args(&used, "prog", "--nonsense", NULL), EXIT_PROCEED);
	ck_assert_int_eq(used, 0);
	ck_assert_int_eq(read_args(&used, "-", NULL, NULL), EXIT_PROCEED);
	ck_assert_int_eq(used, 0);
	ck_assert_int_eq(read_args(&used, "", NULL, NULL), EXIT_PROCEED);
	ck_assert_int_eq(used, 0);
	ck_assert_int_eq(read_args(&used, NULL, NULL, NULL), EXIT_PROCEED);
	ck_assert_int_eq(used, 0);
}
END_TEST

START_TEST(files)
{
	char folder[] = "/tmp/check-options.XXXXXX", expected[64];
	int used = -1;

	quiet();
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(read_args(&used, "--trace", "t.json", "prog"), EXIT_PROCEED);
	ck_assert_int_eq(used, 2);
	(void)snprintf(expected, sizeof(expected), "%s/t.json", folder);
	ck_assert_str_eq(getenv("COPATCH_TRACE"), expected);
	ck_assert_int_eq(read_args(&used, "--trace", "/tmp/../tmp/t", "prog"), EXIT_PROCEED);
	ck_assert_str_eq(getenv("COPATCH_TRACE"), "/tmp/../tmp/t");
	/* somebody's file, a link to nothing, a folder that is not there, no name */
	ck_assert_int_eq(read_args(&used, "--trace", folder, "prog"), EXIT_COPATCH);
	ck_assert_int_eq(symlink("nothing", "link"), 0);
	ck_assert_int_eq(read_args(&used, "--trace", "link", "prog"), EXIT_COPATCH);
	ck_assert_int_eq(unlink("link"), 0);
	ck_assert_int_eq(read_args(&used, "--trace", "none/t", "prog"), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "--trace=", "prog", NULL), EXIT_COPATCH);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(bad_options)
{
	int used;

	quiet();
	ck_assert_int_eq(read_args(&used, "--nonsense", "prog", NULL), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "--stat", "prog", NULL), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "-s", "prog", NULL), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "--stats=1", "prog", NULL), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "--log", NULL, NULL), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "--log", "loud", NULL), EXIT_COPATCH);
	ck_assert_int_eq(read_args(&used, "--log=", "prog", NULL), EXIT_COPATCH);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launch_options");
	TCase *tests = tcase_create("options");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, table);
	tcase_add_test(tests, values);
	tcase_add_test(tests, variables);
	tcase_add_test(tests, environment);
	tcase_add_test(tests, options);
	tcase_add_test(tests, files);
	tcase_add_test(tests, bad_options);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
