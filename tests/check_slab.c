/* SPDX-License-Identifier: MIT */
/* Unit tests: private memory, and the memory functions that take libc's place. */
/* OBJS: scheduler/slab.o scheduler/mem.o */
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../scheduler/slab.h"
#include "unit.h"

static bool all_zero(const void *p, size_t n)
{
	const char *c = p;

	while (n--)
		if (*c++)
			return false;
	return true;
}

/* No object overlaps another, every one comes zeroed and aligned, whatever was in it before. */
static void check_size(size_t size, unsigned most)
{
	struct slab s;
	char **held = calloc(most, sizeof(*held));

	slab_init(&s, size);
	ck_assert_uint_ge(s.size, size);
	ck_assert_uint_eq(s.size % 16, 0);
	for (unsigned step = 0; step < most * 4; step++) {
		unsigned i = (unsigned)(unit_random() % most);

		if (!held[i]) {
			held[i] = slab_alloc(&s);
			ck_assert_ptr_nonnull(held[i]);
			ck_assert_uint_eq((uintptr_t)held[i] % (size % 64 ? 16 : 64), 0);
			ck_assert_msg(all_zero(held[i], size), "object of %zu bytes", size);
			memset(held[i], (int)(i % 255 + 1), size);
			continue;
		}
		for (size_t k = 0; k < size; k++)
			if (held[i][k] != (char)(i % 255 + 1))
				ck_abort_msg("object of %zu bytes, byte %zu overwritten", size, k);
		slab_free(&s, held[i]);
		held[i] = NULL;
	}
	free(held);
}

START_TEST(sizes)
{
	check_size(1, 10000);
	check_size(64, 5000);
	check_size(150, 6000);
	check_size(1000, 1000);
	check_size(40000, 64);
	check_size(300000, 16);
}
END_TEST

START_TEST(reuse)
{
	struct slab s;
	void *first, *other;

	slab_init(&s, 128);
	first = slab_alloc(&s);
	other = slab_alloc(&s);
	ck_assert_ptr_ne(first, other);
	slab_free(&s, first);
	slab_free(&s, other);
	ck_assert_ptr_eq(slab_alloc(&s), other);
	ck_assert_ptr_eq(slab_alloc(&s), first);
}
END_TEST

/* Memory in use grows with the objects that are alive at once, not with the calls. */
START_TEST(bounded)
{
	struct slab s;
	struct rlimit lim = {64UL << 20, 64UL << 20};

	slab_init(&s, 4096);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &lim), 0);
	for (int i = 0; i < 1000000; i++) {
		void *p = slab_alloc(&s);

		ck_assert(p);
		slab_free(&s, p);
	}
}
END_TEST

START_TEST(exhausted)
{
	struct slab s;
	struct rlimit old, none = {0};
	unsigned n = 0;
	void *p, *last = NULL;

	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	slab_init(&s, 64);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	p = mem_pages(4096);
	while (n < 100000 && (last = slab_alloc(&s)))
		n++;
	setrlimit(RLIMIT_AS, &old);
	ck_assert_ptr_null(p);
	ck_assert_ptr_null(mem_stack(1UL << 60));
	ck_assert_ptr_null(last);
	ck_assert_uint_eq(n, 0);
	ck_assert_ptr_nonnull(slab_alloc(&s));
}
END_TEST

START_TEST(pages)
{
	char *p = mem_pages(3 * 4096);
	unsigned char vec[3];

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % 4096, 0);
	ck_assert(all_zero(p, 3 * 4096));
	memset(p, 1, 3 * 4096);
	ck_assert_int_eq(mincore(p, 3 * 4096, vec), 0);
	mem_pages_free(p, 3 * 4096);
	ck_assert_int_eq(mincore(p, 3 * 4096, vec), -1);
}
END_TEST

START_TEST(stack)
{
	char *p = mem_stack(8192);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq((uintptr_t)p % 4096, 0);
	memset(p, 1, 8192);
}
END_TEST

START_TEST(stack_overflow)
{
	volatile char *p = mem_stack(8192);

	p[0] = 1;
	p[-1] = 1; /* SIGSEGV */
}
END_TEST

/* Through pointers, or the compiler would put code of its own in place of the calls. */
static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile cmp)(const void *, const void *, size_t) = memcmp;

START_TEST(copies)
{
	char a[300], b[300], expected[300];

	for (int i = 0; i < 300; i++)
		a[i] = (char)(i * 7);
	for (size_t n = 0; n < 260; n++) {
		for (int i = 0; i < 300; i++)
			b[i] = (char)0x5a;
		ck_assert_ptr_eq(copy(b + 3, a + 1, n), b + 3);
		for (size_t i = 0; i < 300; i++)
			if (b[i] != (i >= 3 && i < n + 3 ? a[i - 2] : (char)0x5a))
				ck_abort_msg("memcpy of %zu, byte %zu", n, i);
		ck_assert_ptr_eq(set(b + 1, 0x1ff, n), b + 1);
		for (size_t i = 1; i < n + 1; i++)
			ck_assert(b[i] == (char)0xff);
		ck_assert(b[0] == (char)0x5a);
	}
	for (int round = 0; round < 3000; round++) {
		size_t to = unit_random() % 100, from = unit_random() % 100;
		size_t n = unit_random() % 200;

		for (int i = 0; i < 300; i++)
			b[i] = expected[i] = (char)(i * 7);
		for (size_t i = 0; i < n; i++)
			expected[to + i] = (char)((from + i) * 7);
		ck_assert_ptr_eq(move(b + to, b + from, n), b + to);
		for (int i = 0; i < 300; i++)
			if (b[i] != expected[i])
				ck_abort_msg("memmove of %zu from %zu to %zu", n, from, to);
	}
}
END_TEST

START_TEST(comparison)
{
	ck_assert_int_eq(cmp("abc", "abc", 3), 0);
	ck_assert_int_eq(cmp("abc", "abd", 2), 0);
	ck_assert_int_eq(cmp("x", "y", 0), 0);
	ck_assert_int_lt(cmp("abc", "abd", 3), 0);
	ck_assert_int_gt(cmp("abd", "abc", 3), 0);
	ck_assert_int_gt(cmp("a\xff", "a\x01", 2), 0);
	ck_assert_int_lt(cmp("a\x01z",
			     "a\xff"
			     "a",
			     3),
			 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("slab", 20, NULL);

	tcase_add_test(tests, sizes);
	tcase_add_test(tests, reuse);
	tcase_add_test(tests, bounded);
	tcase_add_test(tests, exhausted);
	tcase_add_test(tests, pages);
	tcase_add_test(tests, stack);
	tcase_add_test_raise_signal(tests, stack_overflow, SIGSEGV);
	tcase_add_test(tests, copies);
	tcase_add_test(tests, comparison);
	return unit_end();
}
