/* SPDX-License-Identifier: MIT */
/* What every unit suite begins and ends with. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>
#include <stdint.h>
#include <stdlib.h>

static Suite *unit_suite;

/* `timeout` in seconds is for each test; `setup` runs in each test's process, NULL none. */
static inline TCase *unit_begin(const char *name, double timeout, void (*setup)(void))
{
	TCase *tests = tcase_create("unit");

	unit_suite = suite_create(name);
	tcase_set_timeout(tests, timeout);
	if (setup)
		tcase_add_checked_fixture(tests, setup, NULL);
	suite_add_tcase(unit_suite, tests);
	return tests;
}

static inline int unit_end(void)
{
	SRunner *runner = srunner_create(unit_suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The same numbers in every run: a failure must come again. */
static inline uint64_t unit_random(void)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

#endif
