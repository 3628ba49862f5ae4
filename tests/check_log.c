/* SPDX-License-Identifier: MIT */
/* Unit tests: lines on stderr. */
/* OBJS: shim/log.o */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../shim/log.h"
#include "unit.h"

static int ends[2];

static void setup(void)
{
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[1], 2), 2);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static void check_line(const char *expected)
{
	char got[2048];
	ssize_t n = read(ends[0], got, sizeof(got) - 1);

	if (!expected) {
		ck_assert_int_eq(n, -1);
		return;
	}
	ck_assert_int_ge(n, 0);
	got[n] = 0;
	ck_assert_str_eq(got, expected);
}

START_TEST(formats)
{
	log_line(LOG_ERROR, "plain");
	check_line("copatch: plain\n");
	log_line(LOG_ERROR, "%s and %s%s.", "one", "", "two");
	check_line("copatch: one and two.\n");
	log_line(LOG_ERROR, "%d %d %d", 0L, -17L, 1234567890123L);
	check_line("copatch: 0 -17 1234567890123\n");
	log_line(LOG_ERROR, "%d %u %x", INT64_MIN, UINT64_MAX, UINT64_MAX);
	check_line("copatch: -9223372036854775808 18446744073709551615 ffffffffffffffff\n");
	log_line(LOG_ERROR, "%u %x %x", 0UL, 0UL, 0xbeefUL);
	check_line("copatch: 0 0 beef\n");
	log_line(LOG_ERROR, "100%% %s", "%d");
	check_line("copatch: 100% %d\n");
	log_line(LOG_ERROR, "%s", "");
	check_line("copatch: \n");
}
END_TEST

START_TEST(levels)
{
	log_line(LOG_ERROR, "a");
	check_line("copatch: a\n");
	log_line(LOG_WARN, "b");
	check_line("copatch: b\n");
	log_line(LOG_DEBUG, "c");
	check_line(NULL);
	log_level = LOG_ERROR;
	log_line(LOG_WARN, "d");
	check_line(NULL);
	log_level = LOG_DEBUG;
	log_line(LOG_DEBUG, "e");
	check_line("copatch: e\n");
}
END_TEST

/* What is too long is cut, and still is one line. */
START_TEST(length)
{
	char text[1001], expected[513];

	memset(text, 'y', sizeof(text));
	text[1000] = 0;
	memcpy(expected, "copatch: ", 9);
	memcpy(expected + 9, text, sizeof(expected) - 9);
	expected[511] = '\n';
	expected[512] = 0;
	log_line(LOG_ERROR, "%s", text);
	check_line(expected);
	log_line(LOG_ERROR, "%s%d", text, 5L);
	check_line(expected);
}
END_TEST

START_TEST(fault)
{
	log_fault(11, 0x1234, 0xdead0000);
	check_line("copatch: internal error: signal 11 at text+0x1234, address 0xdead0000\n");
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("log", 10, setup);

	tcase_add_test(tests, formats);
	tcase_add_test(tests, levels);
	tcase_add_test(tests, length);
	tcase_add_test(tests, fault);
	return unit_end();
}
