/* SPDX-License-Identifier: MIT */
/* Unit tests: how long the short slices of threads that spin, or seem to, are; where turns end. */
/* OBJS: SCHEDULER */
#include "tasks.h"

#define KEY 1000

/* Nanoseconds of a slice, and of the one after it. */
#define BEFORE  400000
#define HALF    200000
#define LONGER  500000
#define DOUBLE  800000
#define LONGEST 1000000

static int before = BEFORE;
static bool spins;
static bool waits_long;

/* Who computes goes behind the others, but not for long. */
static void hook_left(struct coroutine *co, uint64_t began, uint64_t now)
{
	(void)co;
	(void)began;
	this_carrier()->hog_since = waits_long ? 0 : now;
}

/* What follows the slice timer in program text. */
static long op_slice_over(struct task *t)
{
	struct carrier *ca = this_carrier();

	if (t->tries)
		return 0;
	t->co.called = t->arg[0];
	ca->short_over = true;
	t->co.parked_by = PARK_QUEUE;
	return turn_is_interrupted(ca, &t->co) ? BLOCKED : 0;
}

static void slice_ends(struct task *t)
{
	t->co.spun = 10;
	t->co.patience = before;
	call1(op_slice_over, t->id);
	note((int)t->co.patience);
	spins = t->co.spun;
	waitq_wake(KEY, 1, ~0U);
}

static void waits(struct task *t)
{
	(void)t;
	call3(op_queue, KEY, ~0U, 0);
}

static void waits_briefly(struct task *t)
{
	(void)t;
	call3(op_queue, KEY, ~0U, MS);
}

static void calls_and_waits(struct task *t)
{
	call1(op_nothing, 0);
	waits(t);
}

static void sleeps(struct task *t)
{
	(void)t;
	sleep_ns(1);
}

static void ends(struct task *t)
{
	(void)t;
}

static void is_taken_off(struct task *t)
{
	t->co.spun = 10;
	t->co.patience = BEFORE;
	call1(op_slice_over, 0);
}

/* The patience of a thread whose slice ends while `other` is runnable. */
static int patience_after(void (*other)(struct task *), bool called)
{
	task_logged = 0;
	sched_hooks.left = hook_left;
	task_new(slice_ends, called);
	if (other)
		task_new(other, 0);
	tasks_run();
	ck_assert_uint_eq(task_logged, 1);
	return task_log[0];
}

START_TEST(in_vain)
{
	ck_assert_int_eq(patience_after(waits, true), DOUBLE);
	ck_assert(!spins);
	ck_assert_int_eq(patience_after(waits, false), DOUBLE);
	ck_assert(!spins);
}
END_TEST

START_TEST(often_in_vain)
{
	before = DOUBLE;
	ck_assert_int_eq(patience_after(waits, true), LONGEST);
	ck_assert_int_eq(patience_after(waits, false), LONGEST);
}
END_TEST

START_TEST(of_use)
{
	void (*const others[])(struct task *) = {calls_and_waits, sleeps, ends, is_taken_off};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		ck_assert_int_eq(patience_after(others[i], true), HALF);
		ck_assert(spins);
		ck_assert_int_eq(patience_after(others[i], false), LONGER);
		ck_assert(spins);
	}
}
END_TEST

/* Nobody else has had a turn: nothing is known of what they would have done. */
START_TEST(alone)
{
	ck_assert_int_eq(patience_after(NULL, true), HALF);
	ck_assert_int_eq(patience_after(NULL, false), LONGER);
}
END_TEST

/* It goes before the others, who have not had a turn either. */
START_TEST(first_again)
{
	waits_long = true;
	ck_assert_int_eq(patience_after(waits_briefly, true), HALF);
	ck_assert_int_eq(patience_after(waits_briefly, false), LONGER);
}
END_TEST

static long op_wake(struct task *t)
{
	waitq_wake(KEY, (unsigned)t->arg[0], ~0U);
	this_carrier()->ticks = TURN_CALLS;
	return 0;
}

static void waits_and_tells(struct task *t)
{
	waits(t);
	note('w');
}

static void wakes(struct task *t)
{
	t->co.hog = t->id;
	call1(op_wake, 3);
	note('1');
	call1(op_wake, 0);
	note('2');
}

/* How it goes if a turn is over when three are woken: 'w' each of them, '1' and '2' the waker. */
static const char *order(bool hog)
{
	static char text[8];

	task_logged = 0;
	sched_hooks.left = hook_left;
	for (int i = 0; i < 3; i++)
		task_new(waits_and_tells, i);
	task_new(wakes, hog);
	tasks_run();
	for (unsigned i = 0; i < task_logged && i < sizeof(text) - 1; i++)
		text[i] = (char)task_log[i];
	text[task_logged] = 0;
	return text;
}

/* A broadcast is mostly made with the lock held that all who are woken want. */
START_TEST(broadcast)
{
	ck_assert_str_eq(order(false), "1www2");
	ck_assert_str_eq(order(true), "1www2");
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("turn", 10, tasks_setup);

	tcase_add_test(tests, in_vain);
	tcase_add_test(tests, often_in_vain);
	tcase_add_test(tests, of_use);
	tcase_add_test(tests, alone);
	tcase_add_test(tests, first_again);
	tcase_add_test(tests, broadcast);
	return unit_end();
}
