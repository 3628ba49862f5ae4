/* SPDX-License-Identifier: MIT */
/* Unit tests: deadlines, the heap that holds them and the loop that ends them. */
/* OBJS: SCHEDULER */
#include <sys/resource.h>

#include "tasks.h"

#define MANY 2000

static struct coroutine *many[MANY];
static uint64_t model[MANY]; /* its deadline, 0 none */

/* Not started: it only stands in the heap. */
static struct coroutine *sleeper(void)
{
	struct coroutine *co = co_new();

	ck_assert_ptr_nonnull(co);
	co->again = hook_again;
	return co;
}

static void check_heap(const struct timer_heap *h)
{
	for (uint32_t i = 0; i < h->count; i++) {
		if (h->entry[i].co->timer_pos != i + 1)
			ck_abort_msg("entry %u of %u: its place says %u", i, h->count,
				     h->entry[i].co->timer_pos);
		if (i && h->entry[(i - 1) / 4].deadline > h->entry[i].deadline)
			ck_abort_msg("entry %u of %u is earlier than its parent", i, h->count);
	}
}

START_TEST(random_operations)
{
	struct timer_heap *h = &this_carrier()->timers[0];
	unsigned alive = 0;

	for (int i = 0; i < MANY; i++)
		many[i] = sleeper();
	for (int step = 0; step < 20000; step++) {
		int i = (int)(unit_random() % MANY);

		if (unit_random() % 3 == 0) {
			alive -= model[i] != 0;
			model[i] = 0;
			timer_cancel(many[i]);
		} else {
			alive += model[i] == 0;
			model[i] = 1 + unit_random() % 5000;
			ck_assert(!wait_until(many[i], CLOCK_MONOTONIC, model[i]));
		}
		if (h->count != alive)
			ck_abort_msg("step %d: %u entries, expected %u", step, h->count, alive);
		if (!model[i] != !many[i]->timer_pos)
			ck_abort_msg("step %d: in the heap or not", step);
		if (model[i] && h->entry[many[i]->timer_pos - 1].deadline != model[i])
			ck_abort_msg("step %d: wrong deadline", step);
		if (step % 16 == 0)
			check_heap(h);
	}
	check_heap(h);
	for (int i = 0; i < MANY; i++)
		timer_cancel(many[i]);
	ck_assert_uint_eq(h->count, 0);
	timer_cancel(many[0]); /* once more does no harm */
	ck_assert_uint_eq(h->count, 0);
}
END_TEST

/* All are in the past: the loop must wake them at once, the earliest first, and no other. */
START_TEST(expiry_order)
{
	struct carrier *ca = this_carrier();
	uint64_t last = 0, future = time_now(CLOCK_MONOTONIC) + 3600 * 1000 * MS;
	unsigned woken = 0;

	for (int i = 0; i < MANY; i++) {
		many[i] = sleeper();
		model[i] = i % 4 ? 1 + unit_random() % 100000 : future + unit_random() % 1000;
		many[i]->regs.ax = model[i];
		ck_assert_int_eq(wait_until(many[i], CLOCK_MONOTONIC, model[i]), 0);
	}
	for (int i = 0; i < 3 && !woken; i++) {
		loop_run(ca, false);
		list_for_each (l, &ca->runq) {
			struct coroutine *co = container_of(l, struct coroutine, run);

			ck_assert_uint_eq(co->woke, WAKE_TIMEOUT);
			ck_assert_uint_le(last, co->regs.ax);
			last = co->regs.ax;
			woken++;
		}
	}
	ck_assert_uint_eq(woken, MANY / 4 * 3);
	ck_assert_uint_lt(last, future);
	ck_assert_uint_eq(ca->timers[0].count, MANY / 4);
	check_heap(&ca->timers[0]);
}
END_TEST

START_TEST(growth)
{
	struct timer_heap *h = &this_carrier()->timers[0];

	for (uint64_t i = 0; i < 100000; i++)
		ck_assert(!wait_until(sleeper(), CLOCK_MONOTONIC, 1000000 - i));
	ck_assert_uint_eq(h->count, 100000);
	ck_assert_uint_eq(h->entry[0].deadline, 1000000 - 99999);
	check_heap(h);
}
END_TEST

START_TEST(clocks)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = sleeper();

	ck_assert_int_eq(wait_until(co, CLOCK_REALTIME, 5), 0);
	ck_assert_uint_eq(ca->timers[0].count, 0);
	ck_assert_int_eq(wait_until(co, CLOCK_MONOTONIC, 5), 0);
	ck_assert_uint_eq(ca->timers[0].count + ca->timers[1].count + ca->timers[2].count, 1);
	ck_assert_int_eq(wait_until(co, CLOCK_BOOTTIME, 5), 0);
	ck_assert_uint_eq(ca->timers[0].count + ca->timers[1].count + ca->timers[2].count, 1);
	timer_cancel(co);
	ck_assert_uint_eq(ca->timers[0].count + ca->timers[1].count + ca->timers[2].count, 0);
	ck_assert_int_eq(wait_until(co, CLOCK_PROCESS_CPUTIME_ID, 5), -EINVAL);
	ck_assert_int_eq(wait_until(co, CLOCK_THREAD_CPUTIME_ID, 5), -EINVAL);
	ck_assert_int_eq(wait_until(co, -1, 5), -EINVAL);
	ck_assert_uint_eq(co->timer_pos, 0);
}
END_TEST

START_TEST(now)
{
	static const int ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

	for (int i = 0; i < 3; i++) {
		struct timespec a, b;
		uint64_t ns;

		clock_gettime(ids[i], &a);
		ns = time_now(ids[i]);
		clock_gettime(ids[i], &b);
		ck_assert_uint_le((uint64_t)a.tv_sec * 1000000000 + (uint64_t)a.tv_nsec, ns);
		ck_assert_uint_le(ns, (uint64_t)b.tv_sec * 1000000000 + (uint64_t)b.tv_nsec);
	}
}
END_TEST

static const int sleep_clock[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};

static void sleeps(struct task *t)
{
	for (int i = 0; i < 5; i++) {
		int clock = sleep_clock[(t->id + i) % 3];
		uint64_t until = time_now(clock) + unit_random() % (10 * MS), late;

		ck_assert_int_eq(call2(op_until, clock, until), WAKE_TIMEOUT);
		late = time_now(clock) - until;
		ck_assert_msg((int64_t)late >= 0, "clock %d: %ld ns early", clock, -(long)late);
		ck_assert_msg(late < 1000 * MS, "clock %d: %lu ms late", clock, late / MS);
	}
}

START_TEST(never_early)
{
	for (int i = 0; i < 200; i++)
		task_new(sleeps, i);
	tasks_run();
}
END_TEST

/* How late a sleep of a lone task ends: what the kernel itself takes, not a tick of milliseconds.
 */
static void sleeps_exactly(struct task *t)
{
	uint64_t best = ~0UL;

	(void)t;
	for (int i = 0; i < 20; i++) {
		uint64_t begun = time_now(CLOCK_MONOTONIC);

		sleep_ns(300000);
		if (time_now(CLOCK_MONOTONIC) - begun < best)
			best = time_now(CLOCK_MONOTONIC) - begun;
	}
	ck_assert_uint_ge(best, 300000);
	ck_assert_uint_lt(best, 900000);
}

START_TEST(exact)
{
	task_new(sleeps_exactly, 0);
	tasks_run();
}
END_TEST

/* What is so near is waited for without the kernel's help. */
static void sleeps_briefly(struct task *t)
{
	(void)t;
	for (int i = 0; i < 300; i++) {
		int clock = sleep_clock[i % 3];
		uint64_t until = time_now(clock) + unit_random() % 5000;

		ck_assert_int_eq(call2(op_until, clock, until), WAKE_TIMEOUT);
		ck_assert_int_ge((int64_t)(time_now(clock) - until), 0);
	}
	/* Its timer is made when there is need for it. */
	ck_assert_int_eq(this_carrier()->timers[2].fd, -1);
}

START_TEST(near)
{
	task_new(sleeps_briefly, 0);
	tasks_run();
}
END_TEST

static void sleeps_long(struct task *t)
{
	note(t->id);
	ck_assert_int_eq(sleep_ns(3600 * 1000 * MS), WAKE_SIGNAL);
	note(t->id);
}

static struct task *long_sleeper;

static void sleeps_shorter_each_time(struct task *t)
{
	(void)t;
	for (uint64_t ns = 64 * MS; ns > MS; ns /= 2) {
		uint64_t begun = time_now(CLOCK_MONOTONIC);

		ck_assert_int_eq(sleep_ns(ns), WAKE_TIMEOUT);
		ck_assert_uint_lt(time_now(CLOCK_MONOTONIC) - begun, ns + 1000 * MS);
	}
	note(2);
	co_wake(&long_sleeper->co, WAKE_SIGNAL);
}

/* A deadline before the one that the kernel's timer is set to. */
START_TEST(earlier_one)
{
	long_sleeper = task_new(sleeps_long, 1);
	task_new(sleeps_shorter_each_time, 0);
	tasks_run();
	CHECK_LOG(1, 2, 1);
	ck_assert_uint_eq(this_carrier()->timers[0].count, 0);
}
END_TEST

static void is_cancelled(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call3(op_queue, 77, 1, 5 * MS), WAKE_EVENT);
	/* The kernel's timer is still set to the first deadline. */
	ck_assert_int_eq(sleep_ns(30 * MS), WAKE_TIMEOUT);
}

static void cancels(struct task *t)
{
	(void)t;
	yield();
	ck_assert_uint_eq(this_carrier()->timers[0].count, 1);
	ck_assert_uint_eq(waitq_wake(77, 1, 1), 1);
	ck_assert_uint_eq(this_carrier()->timers[0].count, 0);
}

START_TEST(cancelled)
{
	task_new(is_cancelled, 0);
	task_new(cancels, 1);
	tasks_run();
}
END_TEST

static void edges(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call2(op_until, CLOCK_MONOTONIC, 0), WAKE_TIMEOUT);
	ck_assert_int_eq(call2(op_until, CLOCK_REALTIME, 0), WAKE_TIMEOUT);
	ck_assert_int_eq(call2(op_until, CLOCK_BOOTTIME, 1), WAKE_TIMEOUT);
	ck_assert_int_eq(sleep_ns(20 * MS), WAKE_TIMEOUT);
	co_wake(&long_sleeper->co, WAKE_SIGNAL);
}

static void sleeps_for_ever(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call2(op_until, CLOCK_MONOTONIC, UINT64_MAX), WAKE_SIGNAL);
}

START_TEST(edge_deadlines)
{
	long_sleeper = task_new(sleeps_for_ever, 0);
	task_new(edges, 1);
	tasks_run();
	ck_assert_uint_lt(sched_stats.loops, 40);
}
END_TEST

/* A call that armed a deadline and then failed must leave nothing behind. */
static long op_arm_and_fail(struct task *t)
{
	ck_assert_int_eq(wait_until(&t->co, CLOCK_MONOTONIC, 1), 0);
	return -ENOMEM;
}

static void fails_armed(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call0(op_arm_and_fail), -ENOMEM);
	ck_assert_uint_eq(t->co.timer_pos, 0);
	yield();
	ck_assert_int_eq(sleep_ns(MS), WAKE_TIMEOUT);
}

START_TEST(failed_call)
{
	task_new(fails_armed, 0);
	tasks_run();
}
END_TEST

START_TEST(no_memory)
{
	struct timer_heap *h = &this_carrier()->timers[0];
	struct coroutine *co[257];
	struct rlimit old, none = {0};
	int err;

	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	for (uint64_t i = 0; i < 257; i++)
		co[i] = sleeper();
	for (uint64_t i = 0; i < 256; i++)
		ck_assert_int_eq(wait_until(co[i], CLOCK_MONOTONIC, 1 + i), 0);
	setrlimit(RLIMIT_AS, &none);
	err = wait_until(co[256], CLOCK_MONOTONIC, 5);
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_eq(err, -ENOMEM);
	ck_assert_uint_eq(co[256]->timer_pos, 0);
	ck_assert_uint_eq(h->count, 256);
	ck_assert_int_eq(wait_until(co[256], CLOCK_MONOTONIC, 5), 0);
	check_heap(h);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("timer", 20, tasks_setup);

	tcase_add_test(tests, random_operations);
	tcase_add_test(tests, expiry_order);
	tcase_add_test(tests, growth);
	tcase_add_test(tests, clocks);
	tcase_add_test(tests, now);
	tcase_add_test(tests, never_early);
	tcase_add_test(tests, exact);
	tcase_add_test(tests, near);
	tcase_add_test(tests, earlier_one);
	tcase_add_test(tests, cancelled);
	tcase_add_test(tests, edge_deadlines);
	tcase_add_test(tests, failed_call);
	tcase_add_test(tests, no_memory);
	return unit_end();
}
