/* SPDX-License-Identifier: MIT */
/* Unit tests: joining LD_PRELOAD, and which file capabilities matter to it. */
/* OBJS: shim/launch/preload.o shim/launch/secure.o */
#include <check.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "../shim/launch/launch.h"
#include "../shim/launch/secure.h"

#define OURS "/opt/libcopatch.so"

static void check_join(const char *old, const char *expected)
{
	char joined[256];

	ck_assert_uint_eq(preload_join(joined, sizeof(joined), OURS, old), strlen(expected));
	ck_assert_str_eq(joined, expected);
}

START_TEST(join)
{
	check_join(NULL, OURS);
	check_join("", OURS);
	check_join(":: :", OURS);
	check_join("a.so", OURS ":a.so");
	check_join("a.so /b.so:c.so ", OURS ":a.so:/b.so:c.so");
	check_join("libcopatch.so.bak:xlibcopatch.so", OURS ":libcopatch.so.bak:xlibcopatch.so");
}
END_TEST

START_TEST(join_twice)
{
	check_join(OURS, OURS);
	check_join("a.so:" OURS ":b.so", OURS ":a.so:b.so");
	check_join("/usr/lib/copatch/libcopatch.so libcopatch.so a.so", OURS ":a.so");
}
END_TEST

START_TEST(join_no_room)
{
	char joined[8];

	ck_assert_uint_eq(preload_join(joined, sizeof(joined), OURS, "a"), strlen(OURS ":a"));
	ck_assert_str_eq(joined, "/opt/li");
	ck_assert_uint_eq(preload_join(NULL, 0, OURS, NULL), strlen(OURS));
}
END_TEST

START_TEST(has_copatch)
{
	ck_assert(!preload_has_copatch(NULL));
	ck_assert(!preload_has_copatch(""));
	ck_assert(!preload_has_copatch("a.so:b.so"));
	ck_assert(preload_has_copatch("a.so: " OURS));
	ck_assert(preload_has_copatch("libcopatch.so"));
}
END_TEST

START_TEST(capabilities)
{
	/* magic, then permitted and inheritable of the low half and of the high half */
	unsigned char value[XATTR_CAPS_SZ_2] = {0, 0, 0, 2};

	ck_assert(!secure_caps_raise(value, sizeof(value)));
	ck_assert(!secure_caps_raise(value, 0));
	value[8] = 1;
	ck_assert(!secure_caps_raise(value, sizeof(value)));
	value[4] = 1;
	ck_assert(secure_caps_raise(value, sizeof(value)));
	ck_assert(!secure_caps_raise(value, 4));
	value[4] = 0;
	value[12] = 1;
	ck_assert(secure_caps_raise(value, sizeof(value)));
	ck_assert(!secure_caps_raise(value, XATTR_CAPS_SZ_1));
	value[12] = 0;
	value[0] = VFS_CAP_FLAGS_EFFECTIVE;
	ck_assert(secure_caps_raise(value, sizeof(value)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launch_preload");
	TCase *tests = tcase_create("preload");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, join);
	tcase_add_test(tests, join_twice);
	tcase_add_test(tests, join_no_room);
	tcase_add_test(tests, has_copatch);
	tcase_add_test(tests, capabilities);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
