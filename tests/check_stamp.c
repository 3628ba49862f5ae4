/* SPDX-License-Identifier: MIT */
/* Unit tests: how fast the time-stamp counter counts is learnt, from the clock. */
/* OBJS: SCHEDULER */
#include "../scheduler/cputime.h"
#include "../scheduler/stamp.h"
#include "tasks.h"

#define SECOND (1000 * MS)

static void check_per_ms(uint64_t expected)
{
	ck_assert_uint_ge(stamp_per_ms, expected - expected / 1000);
	ck_assert_uint_le(stamp_per_ms, expected + expected / 1000);
}

/* Looks that come when they are due, at a counter of so many counts in a millisecond. */
static void learn(uint64_t per_ms, uint64_t *counts, uint64_t *ns, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		ck_assert_uint_gt(stamp_due, *counts);
		*ns += (stamp_due - *counts) * MS / per_ms;
		*counts = stamp_due;
		stamp_learn(*counts, *ns);
	}
}

/* Processors of 1 to 5 GHz, none of which is the guess. */
START_TEST(learnt)
{
	static const uint64_t speeds[] = {1000000, 1999987, 2600000, 4999999};
	uint64_t per_ms = speeds[_i], counts = 0, ns = 5 * SECOND;

	stamp_learn(counts, ns); /* the beginning: put back */
	learn(per_ms, &counts, &ns, 1);
	check_per_ms(per_ms);
	learn(per_ms, &counts, &ns, 20);
	check_per_ms(per_ms);
}
END_TEST

/* In ten seconds the clock is asked a dozen times, not ten thousand. */
START_TEST(seldom)
{
	uint64_t counts = 0, ns = SECOND, end = ns + 10 * SECOND;
	unsigned looks = 0;

	stamp_learn(counts, ns);
	for (; ns < end; looks++)
		learn(3000000, &counts, &ns, 1);
	ck_assert_uint_le(looks, 16);
	ck_assert_uint_ge(looks, 10);
}
END_TEST

/* The machine has moved: from the second after the next on it is right. */
START_TEST(changes)
{
	uint64_t counts = 0, ns = SECOND;

	stamp_learn(counts, ns);
	learn(3000000, &counts, &ns, 20);
	check_per_ms(3000000);
	learn(2000000, &counts, &ns, 2);
	check_per_ms(2000000);
}
END_TEST

/* Neither a moment, nor a counter that was put back, nor one that stands still teaches anything. */
START_TEST(nonsense)
{
	uint64_t counts = 1000000000000, ns = SECOND;

	stamp_learn(counts, ns);
	learn(3000000, &counts, &ns, 20);
	stamp_learn(counts + 10, ns + 1000);
	check_per_ms(3000000);
	stamp_learn(5, ns + SECOND);
	check_per_ms(3000000);
	ck_assert_uint_le(stamp_due, 5 + 3003000);
	stamp_learn(5, ns + 2 * SECOND);
	check_per_ms(3000000);
	stamp_learn(10000, ns - SECOND);
	check_per_ms(3000000);
}
END_TEST

/* As it is here, whatever that is. */
START_TEST(measured)
{
	uint64_t begun, from, took;

	stamp_init();
	from = time_now(CLOCK_MONOTONIC);
	begun = stamp_now();
	while (time_now(CLOCK_MONOTONIC) - from < 200 * MS)
		stamp_settle(stamp_now());
	took = (stamp_now() - begun) / stamp_per_ms;
	ck_assert_uint_ge(took, 190);
	ck_assert_uint_le(took, (time_now(CLOCK_MONOTONIC) - from) / MS + 10);
}
END_TEST

static uint64_t used[2];

static void computes(struct task *t)
{
	uint64_t begun = time_now(CLOCK_THREAD_CPUTIME_ID);

	for (int i = 0; i < (t->id ? 30 : 10); i++) {
		while (time_now(CLOCK_THREAD_CPUTIME_ID) - begun < MS)
			;
		call0(op_yield);
		begun = time_now(CLOCK_THREAD_CPUTIME_ID);
	}
	ck_assert_uint_ge(co_cycles(&t->co), (t->id ? 30 : 10) * MS);
	used[t->id] = co_cpu_time(&t->co);
}

/* No counter to rely on: the clock in its place, and processor time shared out by that. */
START_TEST(by_clock)
{
	uint64_t now;

	stamp_by_clock = true;
	stamp_per_ms = MS;
	this_carrier()->since = this_carrier()->began = stamp_now();
	now = time_now(CLOCK_MONOTONIC);
	ck_assert_uint_ge(stamp_now(), now);
	ck_assert_uint_lt(stamp_now(), now + SECOND);
	task_new(computes, 0);
	task_new(computes, 1);
	tasks_run();
	/* Other processes may have had the processor in either's time. */
	ck_assert_uint_ge(used[0], MS);
	ck_assert_uint_ge(used[1], 2 * MS);
	ck_assert_uint_ge(used[0] + used[1], 30 * MS);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("stamp", 20, tasks_setup);

	tcase_add_loop_test(tests, learnt, 0, 4);
	tcase_add_test(tests, seldom);
	tcase_add_test(tests, changes);
	tcase_add_test(tests, nonsense);
	tcase_add_test(tests, measured);
	tcase_add_test(tests, by_clock);
	return unit_end();
}
