/* SPDX-License-Identifier: MIT */
/* Unit tests: access to the program's memory where there may be none. */
/* OBJS: shim/usercopy_x86_64.o */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../shim/usercopy.h"
#include "unit.h"

static char *page; /* followed by one that is not there */
static char *none;
static const char *read_only;
static volatile int faults;

/* As the library's own handler does. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)info;
	if ((const char *)*rip < user_begin || (const char *)*rip >= user_end) {
		signal(sig, SIG_DFL);
		return;
	}
	faults++;
	*rip = (greg_t)user_fault;
}

static void setup(void)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(page != MAP_FAILED);
	none = page + 4096;
	ck_assert_int_eq(mprotect(none, 4096, PROT_NONE), 0);
	read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(read_only != MAP_FAILED);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
}

START_TEST(copy)
{
	char from[300], to[302];

	for (int i = 0; i < 300; i++)
		from[i] = (char)(i * 7 + 1);
	for (size_t n = 0; n <= 300; n++) {
		memset(to, 0, sizeof(to));
		ck_assert_int_eq(user_copy(to + 1, from, n), 0);
		ck_assert_mem_eq(to + 1, from, n);
		ck_assert_int_eq(to[0], 0);
		ck_assert_int_eq(to[n + 1], 0);
	}
	ck_assert_int_eq(faults, 0);
}
END_TEST

START_TEST(copy_faults)
{
	static const size_t sizes[] = {1, 2, 4, 7, 8, 9, 16, 100, 4096};
	char buffer[4096] = {0};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i];

		ck_assert_int_eq(user_copy(buffer, none, n), -EFAULT);
		ck_assert_int_eq(user_copy(none, buffer, n), -EFAULT);
		ck_assert_int_eq(user_copy(buffer, NULL, n), -EFAULT);
		ck_assert_int_eq(user_copy(NULL, buffer, n), -EFAULT);
		ck_assert_int_eq(user_copy((void *)read_only, buffer, n), -EFAULT);
		/* The last byte is beyond the end; up to there it is fine. */
		ck_assert_int_eq(user_copy(buffer, none - n + 1, n), -EFAULT);
		ck_assert_int_eq(user_copy(none - n + 1, buffer, n), -EFAULT);
		ck_assert_int_eq(user_copy(buffer, none - n, n), 0);
		ck_assert_int_eq(user_copy(none - n, buffer, n), 0);
		/* An address that no program can have. */
		ck_assert_int_eq(user_copy(buffer, (void *)(1UL << 62), n), -EFAULT);
	}
	ck_assert_int_eq(faults, 8 * (int)(sizeof(sizes) / sizeof(sizes[0])));
	ck_assert_int_eq(user_copy(none, none, 0), 0);
}
END_TEST

START_TEST(words)
{
	uint32_t word = 7, got = 0;

	ck_assert_int_eq(user_load32(&got, &word), 0);
	ck_assert_uint_eq(got, 7);
	ck_assert_int_eq(user_load32(&got, none), -EFAULT);
	ck_assert_int_eq(user_load32(&got, NULL), -EFAULT);
	ck_assert_uint_eq(got, 7);
}
END_TEST

START_TEST(exchange)
{
	uint32_t word = 7, old = 7;

	ck_assert_int_eq(user_cas32(&word, &old, 9), 0);
	ck_assert_uint_eq(word, 9);
	ck_assert_uint_eq(old, 7);
	ck_assert_int_eq(user_cas32(&word, &old, 11), 0);
	ck_assert_uint_eq(word, 9);
	ck_assert_uint_eq(old, 9);
	old = 0;
	ck_assert_int_eq(user_cas32(none, &old, 1), -EFAULT);
	ck_assert_int_eq(user_cas32((void *)read_only, &old, 1), -EFAULT);
	ck_assert_uint_eq(old, 0);
	ck_assert_int_eq(faults, 2);
}
END_TEST

START_TEST(macros)
{
	struct {
		uint64_t a, b;
	} from = {1, 2}, to = {0, 0};

	ck_assert_int_eq(user_get(to, &from), 0);
	ck_assert_uint_eq(to.b, 2);
	from.b = 3;
	ck_assert_int_eq(user_put(&to, from), 0);
	ck_assert_uint_eq(to.b, 3);
	ck_assert_int_eq(user_get(to, 16), -EFAULT);
	ck_assert_int_eq(user_put(16, to), -EFAULT);
}
END_TEST

/* A fault elsewhere is none of these. */
START_TEST(other_fault)
{
	*(volatile char *)none = 1;
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("usercopy", 10, setup);

	tcase_add_test(tests, copy);
	tcase_add_test(tests, copy_faults);
	tcase_add_test(tests, words);
	tcase_add_test(tests, exchange);
	tcase_add_test(tests, macros);
	tcase_add_test_raise_signal(tests, other_fault, SIGSEGV);
	return unit_end();
}
