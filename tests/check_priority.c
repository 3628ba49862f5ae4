/* SPDX-License-Identifier: MIT */
/* Unit tests: priorities: who runs first, who takes the carrier from whom, and not for ever. */
/* OBJS: SCHEDULER */
#include <signal.h>

#include "tasks.h"

#define KEY 1000

static struct task *task_of_priority(void (*body)(struct task *), int id, int priority)
{
	struct task *t = task_new(body, id);

	co_set_priority(&t->co, priority, false);
	return t;
}

static void two_rounds(struct task *t)
{
	for (int i = 0; i < 2; i++) {
		note(t->id);
		yield();
	}
}

START_TEST(highest_first)
{
	task_of_priority(two_rounds, 1, 0);
	task_of_priority(two_rounds, 2, 5);
	task_of_priority(two_rounds, 3, 99);
	task_of_priority(two_rounds, 4, 5);
	task_of_priority(two_rounds, 5, 0);
	tasks_run();
	CHECK_LOG(3, 3, 2, 4, 2, 4, 1, 5, 1, 5);
}
END_TEST

static long op_wake(struct task *t)
{
	return waitq_wake(KEY, (unsigned)t->arg[0], ~0U);
}

static void waits(struct task *t)
{
	note(t->id);
	call3(op_queue, KEY, ~0U, 0);
	note(-t->id);
}

static void wakes(struct task *t)
{
	for (int i = 0; i < 3; i++) {
		note(t->id);
		call1(op_wake, 1);
	}
	note(t->id);
}

/* Of those who wait the highest is woken first; it runs at once if it goes before the waker. */
START_TEST(takes_the_carrier)
{
	task_of_priority(waits, 10, 10);
	task_of_priority(waits, 30, 30);
	task_of_priority(waits, 20, 20);
	task_of_priority(wakes, 1, 10);
	tasks_run();
	CHECK_LOG(30, 20, 10, 1, -30, 1, -20, 1, 1, -10);
}
END_TEST

/* Whoever was taken off goes on before its equals. */
START_TEST(goes_on)
{
	task_of_priority(waits, 5, 5);
	task_of_priority(wakes, 1, 3);
	task_of_priority(two_rounds, 2, 3);
	tasks_run();
	CHECK_LOG(5, 1, -5, 1, 1, 1, 2, 2);
}
END_TEST

static struct task *raised;

static long op_raise(struct task *t)
{
	co_set_priority(&raised->co, (int)t->arg[0], false);
	return 0;
}

static void raises(struct task *t)
{
	note(t->id);
	call1(op_raise, 7);
	note(t->id);
	call1(op_raise, 0);
	note(t->id);
}

START_TEST(raised_while_runnable)
{
	task_of_priority(raises, 1, 5);
	raised = task_of_priority(two_rounds, 2, 0);
	tasks_run();
	CHECK_LOG(1, 2, 2, 1, 1);
}
END_TEST

START_TEST(lowered_while_runnable)
{
	task_of_priority(two_rounds, 1, 5);
	co_set_priority(&task_of_priority(two_rounds, 2, 9)->co, 5, false);
	tasks_run();
	CHECK_LOG(2, 1, 2, 1);
}
END_TEST

static bool flag;

static void spins(struct task *t)
{
	while (!flag)
		yield();
	note(t->id);
}

static void sets_flag(struct task *t)
{
	note(t->id);
	flag = true;
}

/* One of high priority that waits by yielding for one of lower would do so for ever. */
START_TEST(relents)
{
	task_of_priority(spins, 1, 50);
	task_of_priority(sets_flag, 2, _i);
	tasks_run();
	CHECK_LOG(2, 1);
}
END_TEST

static bool over;

static void calls_until_over(struct task *t)
{
	while (!over)
		call0(op_nothing);
	note(t->id);
}

static void sleeps(struct task *t)
{
	sleep_ns(MS);
	over = true;
	note(t->id);
}

/* Deadlines are seen while one calls on and on that never blocks. */
START_TEST(looks_at_the_loop)
{
	task_of_priority(calls_until_over, 1, 10);
	task_of_priority(sleeps, 2, 20);
	tasks_run();
	CHECK_LOG(2, 1);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("priority", 20, tasks_setup);

	tcase_add_test(tests, highest_first);
	tcase_add_test(tests, takes_the_carrier);
	tcase_add_test(tests, goes_on);
	tcase_add_test(tests, raised_while_runnable);
	tcase_add_test(tests, lowered_while_runnable);
	tcase_add_loop_test(tests, relents, 0, 2);
	tcase_add_test(tests, looks_at_the_loop);
	return unit_end();
}
