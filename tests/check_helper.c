/* SPDX-License-Identifier: MIT */
/* Unit tests: helpers, the kernel threads that wait where epoll cannot. */
/* OBJS: SCHEDULER */
#include <linux/futex.h>
#include <signal.h>
#include <sys/resource.h>

#include "../scheduler/helper.h"
#include "tasks.h"

#define JOBS 40

static struct helper_job *jobs[JOBS];
static int pipes[2];
static uint32_t words[JOBS];
static unsigned ended, most_running;
static bool is_bounded[JOBS];

static void setup(void)
{
	tasks_setup();
	ck_assert_int_eq(pipe(pipes), 0);
}

/* Arguments: bounded, number of the call, its first, second and third argument. */
static long op_help(struct task *t)
{
	long arg[6] = {t->arg[2], t->arg[3], t->arg[4]}, result;
	long err;

	if (!jobs[t->id]) {
		err = wait_helper(&t->co, t->arg[1], arg, t->arg[0], &jobs[t->id]);
		return err ? err : BLOCKED;
	}
	if (!helper_result(jobs[t->id], &result)) {
		if (t->co.woke & WAKE_SIGNAL)
			helper_interrupt(jobs[t->id]);
		return BLOCKED;
	}
	jobs[t->id] = NULL;
	return result;
}

static long help(bool bounded, long nr, long a, long b, long c)
{
	return co_syscall((long)op_help, bounded, nr, a, b, c, 0);
}

static void reads_and_writes(struct task *t)
{
	char c = 0;

	(void)t;
	ck_assert_int_eq(help(true, __NR_getpid, 0, 0, 0), getpid());
	ck_assert_int_ne(help(true, __NR_gettid, 0, 0, 0), gettid());
	ck_assert_int_eq(help(false, __NR_write, pipes[1], (long)"q", 1), 1);
	ck_assert_int_eq(help(true, __NR_read, pipes[0], (long)&c, 1), 1);
	ck_assert_int_eq(c, 'q');
	ck_assert_int_eq(help(true, __NR_close, -1, 0, 0), -EBADF);
	ck_assert_int_eq(help(false, 100000, 0, 0, 0), -ENOSYS);
	ck_assert_uint_eq(helper_count(), 1); /* one was enough for all */
	ck_assert_uint_eq(sched_stats.parks[PARK_HELPER], 6);
}

START_TEST(results)
{
	ck_assert_uint_eq(helper_count(), 0);
	task_new(reads_and_writes, 0);
	tasks_run();
}
END_TEST

static void blocks(struct task *t)
{
	char c = 0;

	ck_assert_int_eq(help(false, __NR_read, pipes[0], (long)&c, 1), 1);
	note(t->id);
}

static void runs_meanwhile(struct task *t)
{
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(sleep_ns(MS), WAKE_TIMEOUT);
	note(t->id);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
}

/* The carrier goes on while a helper waits. */
START_TEST(others_go_on)
{
	task_new(blocks, 1);
	task_new(runs_meanwhile, 2);
	tasks_run();
	CHECK_LOG(2, 1);
}
END_TEST

static unsigned threads_asleep(void)
{
	unsigned n = 0;

	for (int i = 0; i < JOBS; i++)
		n += words[i] == 1;
	return n;
}

/* Waits in the kernel until its word is woken. */
static void waits_for_word(struct task *t)
{
	bool bounded = is_bounded[t->id];
	long got;

	words[t->id] = 1;
	got = help(bounded, __NR_futex, (long)&words[t->id], FUTEX_WAIT, 1);
	ck_assert_msg(got == 0 || got == -EAGAIN, "task %d: %ld", t->id, got);
	ended++;
}

static void wakes_words(struct task *t)
{
	unsigned n = (unsigned)t->id;

	sleep_ns(20 * MS);
	most_running = helper_count();
	while (ended < n) {
		for (unsigned i = 0; i < n; i++) {
			words[i] = 0;
			raw3(__NR_futex, &words[i], FUTEX_WAKE, 1);
		}
		sleep_ns(MS);
		if (helper_count() > most_running)
			most_running = helper_count();
	}
	ck_assert_uint_eq(threads_asleep(), 0);
}

static void run_jobs(int n, bool bounded)
{
	for (int i = 0; i < n; i++) {
		is_bounded[i] = bounded;
		task_new(waits_for_word, i);
	}
	task_new(wakes_words, n);
	tasks_run();
	ck_assert_uint_eq(ended, n);
}

/* Jobs that end by themselves share eight helpers; the others stand in line. */
START_TEST(bounded)
{
	run_jobs(30, true);
	ck_assert_uint_eq(most_running, 8);
}
END_TEST

/* One that may wait for ever gets a helper at once, however many there are. */
START_TEST(unbounded)
{
	run_jobs(30, false);
	ck_assert_uint_eq(most_running, 30);
}
END_TEST

START_TEST(limited)
{
	helper_limit(3);
	run_jobs(30, true);
	ck_assert_uint_eq(most_running, 3);
}
END_TEST

static void makes_both(struct task *t)
{
	/* Whoever waits for ever has not taken a place from those that end. */
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(help(true, __NR_getpid, 0, 0, 0), getpid());
	note(t->id);
	while (ended < 20) {
		for (int i = 0; i < 20; i++) {
			words[i] = 0;
			raw3(__NR_futex, &words[i], FUTEX_WAKE, 1);
		}
		sleep_ns(MS);
	}
	sleep_ns(10 * MS);
	/* The many that were needed at once do not stay. */
	ck_assert_uint_eq(helper_count(), 1);
}

START_TEST(limit_is_for_bounded)
{
	helper_limit(1);
	for (int i = 0; i < 20; i++)
		task_new(waits_for_word, i);
	task_new(makes_both, 20);
	tasks_run();
	CHECK_LOG(20);
}
END_TEST

static long helper_tid(void)
{
	return help(true, __NR_gettid, 0, 0, 0);
}

static void renews(struct task *t)
{
	long first = helper_tid(), seen[50];

	(void)t;
	ck_assert_int_eq(helper_tid(), first);
	for (int i = 0; i < 50; i++) {
		helper_renew();
		ck_assert_uint_eq(helper_count(), 0);
		seen[i] = helper_tid();
		ck_assert_int_ne(seen[i], i ? seen[i - 1] : first);
		sleep_ns(MS);
	}
	ck_assert_uint_eq(helper_count(), 1);
}

/* What has begun ends as it was begun; its helper does not work on. */
static void renews_under_job(struct task *t)
{
	(void)t;
	sleep_ns(5 * MS);
	helper_renew();
	ck_assert_uint_eq(helper_count(), 1);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
	for (int i = 0; helper_count() && i < 1000; i++)
		sleep_ns(MS);
	ck_assert_uint_eq(helper_count(), 0);
}

START_TEST(renew)
{
	task_new(renews, 0);
	tasks_run();
	helper_renew();
	task_new(blocks, 1);
	task_new(renews_under_job, 2);
	tasks_run();
}
END_TEST

/* Every answer goes to whom it belongs. */
static void mixed_jobs(struct task *t)
{
	int file = memfd_create("x", 0);

	for (int i = 0; i < 50; i++) {
		long place = t->id * 1000 + i;

		ck_assert_int_eq(help(i % 3, __NR_lseek, file, place, SEEK_SET), place);
		ck_assert_int_eq(help(i % 2, __NR_lseek, pipes[0], place, SEEK_SET), -ESPIPE);
	}
	ended++;
}

START_TEST(crowd)
{
	for (int i = 0; i < JOBS; i++)
		task_new(mixed_jobs, i);
	tasks_run();
	ck_assert_uint_eq(ended, JOBS);
}
END_TEST

static struct task *sleeper;

static void is_interrupted(struct task *t)
{
	char c;
	long got;

	got = help(is_bounded[t->id], __NR_read, pipes[0], (long)&c, 1);
	ck_assert_msg(got == -EINTR || got == NOT_BEGUN, "%ld", got);
	note(t->id);
	/* Its helper is fit for the next one. */
	ck_assert_int_eq(help(is_bounded[t->id], __NR_getpid, 0, 0, 0), getpid());
	ended++;
}

static void interrupts(struct task *t)
{
	if (t->id == 2)
		sleep_ns(10 * MS); /* it is in the call by now */
	note(t->id);
	co_wake(&sleeper->co, WAKE_SIGNAL);
}

START_TEST(interrupt_running)
{
	sleeper = task_new(is_interrupted, 1);
	task_new(interrupts, 2);
	tasks_run();
	CHECK_LOG(2, 1);
	ck_assert_uint_eq(helper_count(), 1);
}
END_TEST

/* At any moment from before it has begun. */
START_TEST(interrupt_early)
{
	for (int i = 0; i < 300; i++) {
		sleeper = task_new(is_interrupted, 1);
		task_new(interrupts, 3);
		tasks_run();
	}
	ck_assert_uint_eq(ended, 300);
	ck_assert_uint_eq(helper_count(), 1);
}
END_TEST

static void interrupts_queued(struct task *t)
{
	(void)t;
	sleep_ns(10 * MS);
	co_wake(&sleeper->co, WAKE_SIGNAL);
	while (!task_logged)
		yield();
	note(7);
	while (ended < 9) {
		for (int i = 0; i <= 10; i++) {
			words[i] = 0;
			raw3(__NR_futex, &words[i], FUTEX_WAKE, 1);
		}
		sleep_ns(MS);
	}
}

static void is_interrupted_in_line(struct task *t)
{
	char c;

	ck_assert_int_eq(help(true, __NR_read, pipes[0], (long)&c, 1), NOT_BEGUN);
	note(t->id);
}

/* No helper was free for it: it ends all the same, and those behind it come to their turn. */
START_TEST(interrupt_queued)
{
	memset(is_bounded, true, sizeof(is_bounded));
	for (int i = 0; i < 8; i++)
		task_new(waits_for_word, i);
	sleeper = task_new(is_interrupted_in_line, 9);
	task_new(waits_for_word, 10);
	task_new(interrupts_queued, 11);
	words[10] = 0;
	tasks_run();
	CHECK_LOG(9, 7);
}
END_TEST

/* An interruption that comes when the helper works for somebody else already is not his. */
static long op_late(struct task *t)
{
	static const struct timespec ms = {0, 2000000};
	const long none[6] = {0}, sleep[6] = {(long)&ms};
	long result = 0;

	if (!jobs[0] && !jobs[1])
		return wait_helper(&t->co, __NR_getpid, none, true, &jobs[0]) ? -1 : BLOCKED;
	if (jobs[0]) {
		uint64_t begun = time_now(CLOCK_MONOTONIC);

		if (wait_helper(&t->co, __NR_nanosleep, sleep, true, &jobs[1]))
			return -1;
		while (time_now(CLOCK_MONOTONIC) - begun < MS)
			; /* it sleeps by now */
		helper_interrupt(jobs[0]);
		if (!helper_result(jobs[0], &result) || result != getpid())
			return -2;
		jobs[0] = NULL;
		return BLOCKED;
	}
	if (!helper_result(jobs[1], &result))
		return BLOCKED;
	jobs[1] = NULL;
	return result;
}

static void interrupts_late(struct task *t)
{
	(void)t;
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(call0(op_late), 0);
	ck_assert_uint_eq(helper_count(), 1);
}

START_TEST(interrupt_done)
{
	task_new(interrupts_late, 0);
	tasks_run();
}
END_TEST

static void finds_no_memory(struct task *t)
{
	struct rlimit old, none = {0};
	long got;

	(void)t;
	sleep_ns(MS);
	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	ck_assert_int_eq(help(true, __NR_getpid, 0, 0, 0), getpid()); /* its slabs are there */
	sleep_ns(MS);
	jobs[1] = NULL;
	setrlimit(RLIMIT_AS, &none);
	got = co_syscall((long)op_help, 0, __NR_getpid, 0, 0, 0, 0); /* takes the idle one */
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_eq(got, getpid());
	ck_assert_ptr_null(jobs[0]);
}

static void fails_without(struct task *t)
{
	struct rlimit old, none = {0};
	long got;

	sleep_ns(10 * MS);
	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_AS, &none);
	got = help(true, __NR_getpid, 0, 0, 0);
	setrlimit(RLIMIT_AS, &old);
	/* The one helper may be busy for ever. */
	ck_assert_int_eq(got, -EAGAIN);
	/* There is no job then: whoever asked must not hold one. */
	ck_assert_ptr_null(jobs[t->id]);
	ck_assert_int_eq(help(false, __NR_getpid, 0, 0, 0), getpid());
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
}

/* A signal between the look at the mark and the instruction. */
START_TEST(interrupted_place)
{
	for (const char *p = interruptible_begin - 4; p < interruptible_out + 4; p++) {
		greg_t rip = (greg_t)p;
		bool inside = p >= interruptible_begin && p < interruptible_end;

		interruptible_signal(&rip);
		ck_assert(rip == (greg_t)(inside ? interruptible_out : p));
	}
	ck_assert_uint_lt((uintptr_t)interruptible_begin, (uintptr_t)interruptible_end);
}
END_TEST

START_TEST(no_helper)
{
	task_new(finds_no_memory, 0);
	tasks_run();
	task_new(blocks, 1);
	task_new(fails_without, 2);
	tasks_run();
}
END_TEST

static void forks(struct task *t)
{
	long pid;
	int status = 0;

	(void)t;
	sleep_ns(5 * MS);
	ck_assert_int_eq(help(true, __NR_getpid, 0, 0, 0), getpid()); /* leaves one idle */
	pid = call0(op_fork);
	if (!pid) {
		ck_assert_uint_eq(helper_count(), 0);
		ck_assert_int_eq(help(true, __NR_getpid, 0, 0, 0), getpid());
		ck_assert_int_eq(help(false, __NR_getpid, 0, 0, 0), getpid());
		_exit(7);
	}
	ck_assert_int_eq(help(false, __NR_wait4, pid, (long)&status, 0), pid);
	ck_assert_int_eq(status, 7 << 8);
	ck_assert_int_eq(write(pipes[1], "x", 1), 1);
}

START_TEST(fork_child)
{
	task_new(blocks, 1);
	task_new(forks, 2);
	tasks_run();
	CHECK_LOG(1);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("helper", 20, setup);

	tcase_add_test(tests, results);
	tcase_add_test(tests, others_go_on);
	tcase_add_test(tests, bounded);
	tcase_add_test(tests, unbounded);
	tcase_add_test(tests, limited);
	tcase_add_test(tests, limit_is_for_bounded);
	tcase_add_test(tests, renew);
	tcase_add_test(tests, crowd);
	tcase_add_test(tests, interrupt_running);
	tcase_add_test(tests, interrupt_early);
	tcase_add_test(tests, interrupt_queued);
	tcase_add_test(tests, interrupt_done);
	tcase_add_test(tests, interrupted_place);
	tcase_add_test(tests, no_helper);
	tcase_add_test(tests, fork_child);
	return unit_end();
}
