/* SPDX-License-Identifier: MIT */
/* Unit tests: ids of threads are distinct, in a process and among processes. */
/* OBJS: shim/tid.o scheduler/mem.o */
#include <stdlib.h>
#include <string.h>

#include "../shim/thread.h"
#include "../shim/tid.h"
#include "unit.h"

#define ALL (1 << 30)

int process_id = 4711;
static unsigned char taken[ALL / 8];

struct thread *thread_by_tid(int tid)
{
	(void)tid;
	return NULL;
}

static void setup(void)
{
	tid_after_fork();
}

static int fresh(void)
{
	int tid = tid_new();

	ck_assert_int_ge(tid, TID_FIRST);
	ck_assert_int_lt(tid, ALL);
	ck_assert(!(taken[tid / 8] & 1 << tid % 8));
	taken[tid / 8] |= (unsigned char)(1 << tid % 8);
	return tid;
}

static void give_back(int tid)
{
	taken[tid / 8] &= (unsigned char)~(1 << tid % 8);
	tid_free(tid);
}

START_TEST(distinct)
{
	for (int i = 0; i < 200000; i++)
		fresh();
}
END_TEST

/* Neighbouring processes with many threads each; another program's ids begin where they do. */
START_TEST(among_processes)
{
	static const int pids[] = {1, 2, 3, 1000, 32767, 4711, 4712};

	for (size_t p = 0; p < sizeof(pids) / sizeof(*pids); p++) {
		process_id = pids[p];
		tid_after_fork();
		for (int i = 0; i < 16000; i++)
			fresh();
	}
}
END_TEST

START_TEST(free_and_reuse)
{
	static int tid[20000];

	for (int n = 1; n <= 20000; n = n * 3 + 1) {
		for (int round = 0; round < 20; round++) {
			for (int i = 0; i < n; i++)
				tid[i] = fresh();
			for (int i = 0; i < n; i++)
				give_back(tid[i]);
		}
	}
}
END_TEST

/* What was given back is used again, but not at once. */
START_TEST(not_at_once)
{
	int first = fresh(), next;

	give_back(first);
	for (int i = 0; i < 254; i++) {
		next = fresh();
		ck_assert_int_ne(next, first);
		give_back(next);
	}
	ck_assert_int_eq(fresh(), first);
}
END_TEST

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* After a crowd, ids come from those that other processes do not use, as before it. */
START_TEST(after_a_crowd)
{
	static int tid[17000], again[16575];
	const int known = sizeof(again) / sizeof(*again);

	for (int i = 0; i < 17000; i++)
		tid[i] = fresh();
	for (int i = 0; i < 17000; i++)
		give_back(tid[i]);
	for (int i = 0; i < known; i++)
		again[i] = fresh();
	qsort(tid, known, sizeof(*tid), by_value);
	qsort(again, known, sizeof(*again), by_value);
	ck_assert(!memcmp(tid, again, sizeof(again)));
}
END_TEST

START_TEST(random_course)
{
	static int held[40000];
	int n = 0;

	srand(1);
	for (int i = 0; i < 400000; i++) {
		if (n && (n == 40000 || rand() % 100 < 48)) {
			int at = rand() % n;

			give_back(held[at]);
			held[at] = held[--n];
		} else {
			held[n++] = fresh();
		}
	}
}
END_TEST

START_TEST(process_of)
{
	for (int i = 0; i < 255; i++)
		ck_assert_int_eq(tid_process(fresh()), 4711);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(tid_process(fresh()), 0);
	ck_assert_int_eq(tid_process(4711), 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("tid", 20, setup);

	tcase_add_test(tests, distinct);
	tcase_add_test(tests, among_processes);
	tcase_add_test(tests, free_and_reuse);
	tcase_add_test(tests, not_at_once);
	tcase_add_test(tests, after_a_crowd);
	tcase_add_test(tests, random_course);
	tcase_add_test(tests, process_of);
	return unit_end();
}
