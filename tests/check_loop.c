/* SPDX-License-Identifier: MIT */
/* Unit tests: waiting for descriptors, and numbers that come to name other files. */
/* OBJS: SCHEDULER */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tasks.h"

#define LONG (5000 * MS) /* not reached unless something is broken */

static int pipes[4], sock[2];
static struct task *other;

static void setup(void)
{
	tasks_setup();
	ck_assert_int_eq(pipe(pipes) | pipe(pipes + 2), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sock), 0);
}

static void put_byte(int fd)
{
	ck_assert_int_eq(write(fd, "x", 1), 1);
}

static void get_byte(int fd)
{
	char c;

	ck_assert_int_eq(read(fd, &c, 1), 1);
}

static char junk[4096];

static void fill(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (write(fd, junk, sizeof(junk)) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

static void drain(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (read(fd, junk, sizeof(junk)) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

static int this_loops_epoll(void)
{
	int found = -1;

	for (int fd = 0; fd < 2000; fd++) {
		char path[64], to[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, to, sizeof(to) - 1) > 0 &&
		    !strcmp(to, "anon_inode:[eventpoll]")) {
			ck_assert_int_lt(found, 0);
			found = fd;
		}
	}
	ck_assert_int_ge(found, 0);
	return found;
}

static void reads_thrice(struct task *t)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, LONG), WAKE_EVENT);
		get_byte(pipes[0]);
		note(t->id);
	}
}

static void writes_thrice(struct task *t)
{
	for (int i = 0; i < 3; i++) {
		sleep_ns(MS);
		note(t->id);
		put_byte(pipes[1]);
		while (task_logged % 2)
			yield();
	}
}

START_TEST(reading)
{
	task_new(reads_thrice, 1);
	task_new(writes_thrice, 2);
	tasks_run();
	CHECK_LOG(2, 1, 2, 1, 2, 1);
}
END_TEST

static void writes_when_there_is_room(struct task *t)
{
	fill(sock[0]);
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_WRITE, 2 * MS), WAKE_TIMEOUT);
	note(t->id);
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_WRITE, LONG), WAKE_EVENT);
	note(t->id);
}

static void makes_room(struct task *t)
{
	sleep_ns(10 * MS);
	note(t->id);
	drain(sock[1]);
}

START_TEST(writing)
{
	task_new(writes_when_there_is_room, 1);
	task_new(makes_room, 2);
	tasks_run();
	CHECK_LOG(1, 2, 1);
}
END_TEST

static void waits_to_read(struct task *t)
{
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_READ, LONG), WAKE_EVENT);
	note(t->id);
}

static void waits_to_write(struct task *t)
{
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_WRITE, LONG), WAKE_EVENT);
	note(t->id);
}

static void both_ways(struct task *t)
{
	yield();
	ck_assert_int_eq(sleep_ns(5 * MS), WAKE_TIMEOUT);
	note(t->id);
	put_byte(sock[1]);
	ck_assert_int_eq(sleep_ns(5 * MS), WAKE_TIMEOUT);
	note(t->id);
	drain(sock[1]);
}

/* A reader and a writer of one descriptor: each only for its own event. */
START_TEST(two_directions)
{
	fill(sock[0]);
	task_new(waits_to_write, 1);
	task_new(waits_to_read, 2);
	task_new(both_ways, 3);
	tasks_run();
	CHECK_LOG(3, 2, 3, 1);
}
END_TEST

START_TEST(two_readers)
{
	task_new(waits_to_read, 1);
	task_new(waits_to_read, 2);
	task_new(both_ways, 3);
	tasks_run();
	CHECK_LOG(3, 1, 2, 3);
}
END_TEST

static void reads_or_writes(struct task *t)
{
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_READ | WAIT_WRITE, LONG), WAKE_EVENT);
	note(t->id);
}

START_TEST(either)
{
	fill(sock[0]);
	task_new(reads_or_writes, 1);
	task_new(both_ways, 3);
	tasks_run();
	CHECK_LOG(3, 1, 3);
}
END_TEST

/* Two descriptors, or one of them twice, as poll may name them. */
static long op_poll(struct task *t)
{
	if (t->co.woke)
		return t->co.woke;
	for (int i = 0; i < 4; i++)
		if (wait_fd(&t->co, (int)t->arg[i], WAIT_READ))
			return -ENOMEM;
	return BLOCKED;
}

static void polls(struct task *t)
{
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(
			co_syscall((long)op_poll, pipes[0], sock[0], pipes[0], pipes[2], 0, 0),
			WAKE_EVENT);
		ck_assert_int_eq(t->co.fd.fd, -1);
		ck_assert_ptr_null(t->co.fd.next);
		note(t->id);
		sleep_ns(MS);
	}
}

static void feeds(struct task *t)
{
	static int *const from[] = {&pipes[1], &sock[1], &pipes[3]};
	static int *const to[] = {&pipes[0], &sock[0], &pipes[2]};

	for (int i = 0; i < 10; i++) {
		unsigned before = task_logged;

		sleep_ns(MS);
		put_byte(*from[i % 3]);
		while (task_logged == before)
			sleep_ns(MS / 4);
		get_byte(*to[i % 3]);
		(void)t;
	}
}

START_TEST(many_at_once)
{
	task_new(polls, 1);
	task_new(polls, 1);
	task_new(feeds, 2);
	tasks_run();
}
END_TEST

static void hangs_up(struct task *t)
{
	(void)t;
	sleep_ns(MS);
	fd_forget(sock[1], true);
	close(sock[1]);
}

START_TEST(hangup)
{
	task_new(waits_to_read, 1);
	task_new(hangs_up, 2);
	tasks_run();
	CHECK_LOG(1);
}
END_TEST

static void files(struct task *t)
{
	int fd = memfd_create("x", 0);
	uint64_t begun = time_now(CLOCK_MONOTONIC);

	(void)t;
	ck_assert_int_eq(call3(op_fd, -1, WAIT_READ, 0), -EBADF);
	ck_assert_int_lt(call3(op_fd, INT32_MAX, WAIT_READ, 0), 0);
	/* What epoll refuses is ready, and what is not open says so by trying. */
	ck_assert_int_eq(call3(op_fd, fd, WAIT_READ, LONG), WAKE_EVENT);
	ck_assert_int_eq(call3(op_fd, fd, WAIT_WRITE, LONG), WAKE_EVENT);
	ck_assert_int_eq(call3(op_fd, 700, WAIT_READ, LONG), WAKE_EVENT);
	ck_assert_int_eq(call3(op_fd, 700, WAIT_READ, LONG), WAKE_EVENT);
	ck_assert_uint_lt(time_now(CLOCK_MONOTONIC) - begun, LONG / 2);
	/* It has become a pipe since. */
	ck_assert_int_eq(dup2(pipes[0], 700), 700);
	ck_assert_int_eq(call3(op_fd, 700, WAIT_READ, 5 * MS), WAKE_TIMEOUT);
	put_byte(pipes[1]);
	ck_assert_int_eq(call3(op_fd, 700, WAIT_READ, LONG), WAKE_EVENT);
}

START_TEST(odd_files)
{
	task_new(files, 0);
	tasks_run();
}
END_TEST

/* Whether an epoll instance has been told of it: proc(5), fdinfo. */
static bool known_to_epoll(int fd)
{
	bool known = false;

	for (int epoll = 0; epoll < 1000 && !known; epoll++) {
		char path[64], line[256];
		FILE *info;
		int told;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", epoll);
		info = fopen(path, "r");
		while (info && fgets(line, sizeof(line), info))
			known |= sscanf(line, "tfd: %d", &told) == 1 && told == fd;
		if (info)
			fclose(info);
	}
	return known;
}

static void finds_early(struct task *t)
{
	(void)t;
	/* Twice epoll need not hear of it, then it does, and what is still there is no news. */
	put_byte(pipes[1]);
	for (int i = 0; i < 3; i++) {
		ck_assert(!known_to_epoll(pipes[0]));
		ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, LONG), WAKE_EVENT);
	}
	ck_assert(known_to_epoll(pipes[0]));
	ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, 5 * MS), WAKE_TIMEOUT);
	/* Something that nobody waits for wakes nobody. */
	put_byte(sock[1]);
	fill(sock[0]);
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_WRITE, 5 * MS), WAKE_TIMEOUT);
	ck_assert(known_to_epoll(sock[0]));
	/* Another file of the same number is new. */
	fd_forget(pipes[0], true);
	ck_assert_int_eq(dup2(pipes[2], pipes[0]), pipes[0]);
	put_byte(pipes[3]);
	ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, LONG), WAKE_EVENT);
	ck_assert(!known_to_epoll(pipes[0]));
}

START_TEST(found_early)
{
	task_new(finds_early, 0);
	tasks_run();
}
END_TEST

static void looks_twice(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, MS), WAKE_TIMEOUT);
	put_byte(pipes[1]);
	ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, LONG), WAKE_EVENT);
	ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, 5 * MS), WAKE_TIMEOUT);
	put_byte(pipes[1]);
	ck_assert_int_eq(call3(op_fd, pipes[0], WAIT_READ, LONG), WAKE_EVENT);
	/* A call that cannot write has not always waited for an event to come. */
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(call3(op_fd, sock[0], WAIT_WRITE, LONG), WAKE_EVENT);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(call3(op_fd, sock[0], WAIT_READ | WAIT_WRITE, LONG), WAKE_EVENT);
}

/* What is readable is reported once, and what is writable whenever somebody asks. */
START_TEST(reported_once)
{
	task_new(looks_twice, 0);
	tasks_run();
}
END_TEST

static void is_quiet(struct task *t)
{
	(void)t;
	ck_assert(!fd_take_quiet(sock[0]));
	fd_set_quiet(sock[0]);
	ck_assert(fd_take_quiet(sock[0]));
	ck_assert(!fd_take_quiet(sock[0]));
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_READ, MS), WAKE_TIMEOUT);
	/* Something comes while nobody waits. */
	fd_set_quiet(sock[0]);
	put_byte(sock[1]);
	sleep_ns(MS);
	ck_assert(!fd_take_quiet(sock[0]));
	/* It has come and is taken before it is reported. */
	fd_set_quiet(sock[0]);
	put_byte(sock[1]);
	drain(sock[0]);
	sleep_ns(MS);
	ck_assert(fd_take_quiet(sock[0]));
	/* Another file. */
	fd_set_quiet(sock[0]);
	fd_forget(sock[0], true);
	ck_assert(!fd_take_quiet(sock[0]));
	/* The end comes with the last byte: reading that is not all. */
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_READ, MS), WAKE_TIMEOUT);
	put_byte(sock[1]);
	close(sock[1]);
	ck_assert_int_eq(call3(op_fd, sock[0], WAIT_READ, LONG), WAKE_EVENT);
	get_byte(sock[0]);
	fd_set_quiet(sock[0]);
	ck_assert(!fd_take_quiet(sock[0]));
}

START_TEST(quiet)
{
	task_new(is_quiet, 0);
	tasks_run();
}
END_TEST

static int row[10][2];

static void one_of_row(struct task *t)
{
	ck_assert_int_eq(call3(op_fd, row[t->id][0], WAIT_READ, LONG), WAKE_EVENT);
	note(t->id);
}

static void feeds_row(struct task *t)
{
	(void)t;
	sleep_ns(MS);
	for (int i = 0; i < 10; i++)
		put_byte(row[i * 7 % 10][1]);
}

/* First come, first served. */
START_TEST(in_order)
{
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(pipe(row[i]), 0);
		task_new(one_of_row, i);
	}
	task_new(feeds_row, 0);
	tasks_run();
	CHECK_LOG(0, 7, 4, 1, 8, 5, 2, 9, 6, 3);
}
END_TEST

static void marks(struct coroutine *co)
{
	note(100 + task_of(co)->id);
}

static void wakes_waiters(struct task *t)
{
	sleep_ns(MS);
	fd_wake_waiters(sock[0], marks);
	note(t->id);
	fd_wake_waiters(sock[0], marks);
	fd_wake_waiters(sock[1], marks);
	fd_wake_waiters(100000, marks);
	fd_wake_waiters(-1, marks);
}

static void wakes_ready(struct task *t)
{
	sleep_ns(MS);
	fd_wake_ready(sock[0], WAIT_READ);
	note(t->id);
	fd_wake_ready(sock[1], WAIT_READ);
	fd_wake_ready(100000, WAIT_READ);
	fd_wake_ready(-1, WAIT_READ);
	sleep_ns(MS);
	note(t->id);
	fd_wake_ready(sock[0], WAIT_WRITE);
}

START_TEST(wake_ready)
{
	fill(sock[0]);
	task_new(waits_to_read, 1);
	task_new(waits_to_write, 2);
	task_new(reads_or_writes, 3);
	task_new(wakes_ready, 9);
	tasks_run();
	CHECK_LOG(9, 1, 3, 9, 2);
}
END_TEST

START_TEST(wake_waiters)
{
	fill(sock[0]);
	task_new(waits_to_read, 1);
	task_new(waits_to_write, 2);
	task_new(reads_or_writes, 3);
	task_new(wakes_waiters, 9);
	tasks_run();
	CHECK_LOG(101, 102, 103, 9, 1, 2, 3);
}
END_TEST

/*
 * The number that a task has waited for is closed while another descriptor keeps the file open,
 * and names another file from then on. Events of the first file are nobody's.
 */
static bool left_in_epoll;

static void reuse(struct task *t, bool while_watched, bool again)
{
	int number = pipes[0], kept = dup(number), epoll;
	unsigned long loops;

	(void)t;
	ck_assert_int_eq(call3(op_fd, number, WAIT_READ, MS), WAKE_TIMEOUT);
	if (!while_watched)
		sleep_ns(2 * MS); /* the loop knows that nobody waits any more */
	epoll = this_carrier()->epoll_fd;
	fd_forget(number, !left_in_epoll);
	close(number);
	if (again)
		ck_assert_int_eq(dup2(pipes[2], number), number);
	put_byte(pipes[1]); /* readable by `kept` alone */
	if (again) {
		ck_assert_int_eq(call3(op_fd, number, WAIT_READ, 10 * MS), WAKE_TIMEOUT);
		put_byte(pipes[3]);
		ck_assert_int_eq(call3(op_fd, number, WAIT_READ, LONG), WAKE_EVENT);
	}
	ck_assert_int_eq(call3(op_fd, kept, WAIT_READ, LONG), WAKE_EVENT);
	loops = sched_stats.loops;
	ck_assert_int_eq(call3(op_fd, pipes[1], WAIT_READ, 30 * MS), WAKE_TIMEOUT);
	ck_assert_uint_lt(sched_stats.loops - loops, 10); /* it does not spin */
	/*
	 * libev makes a new epoll instance when an event comes that it cannot explain: behind our
	 * back, at a number of the program's. The old one's mark tells.
	 */
	ck_assert_int_eq(fcntl(epoll, F_GETFD), 0);
}

static void reuse_watched(struct task *t)
{
	reuse(t, true, true);
}

static void reuse_idle(struct task *t)
{
	reuse(t, false, true);
}

static void gone_watched(struct task *t)
{
	reuse(t, true, false);
}

static void gone_idle(struct task *t)
{
	reuse(t, false, false);
}

static void (*const reuses[])(struct task *) = {reuse_watched, reuse_idle, gone_watched, gone_idle};

START_TEST(duplicate_alive)
{
	loop_open(this_carrier());
	/* Elsewhere the back door does this. */
	this_carrier()->epoll_fd = this_loops_epoll();
	ck_assert_int_eq(fcntl(this_carrier()->epoll_fd, F_SETFD, 0), 0);
	left_in_epoll = _i >= 4;
	task_new(reuses[_i % 4], 0);
	tasks_run();
}
END_TEST

static void waits_on_while_forgotten(struct task *t)
{
	note((int)call3(op_fd, pipes[0], WAIT_READ, LONG));
	(void)t;
}

/* The file is replaced while somebody waits for the number; dup2 wakes nobody. */
static void replaces(struct task *t)
{
	(void)t;
	sleep_ns(MS);
	fd_forget(pipes[0], true);
	ck_assert_int_eq(dup2(pipes[2], pipes[0]), pipes[0]);
	sleep_ns(5 * MS);
	note(9);
	put_byte(pipes[3]);
}

START_TEST(replaced)
{
	task_new(waits_on_while_forgotten, 0);
	task_new(replaces, 1);
	tasks_run();
	CHECK_LOG(9, WAKE_EVENT);
}
END_TEST

static void reopens(struct task *t)
{
	(void)t;
	sleep_ns(MS); /* the loop's own descriptors are open now, and have other numbers */
	close(pipes[0]);
	close(pipes[1]);
	for (int i = 0; i < 300; i++) {
		int p[2];

		ck_assert_int_eq(pipe(p), 0);
		ck_assert_int_eq(p[0], pipes[0]);
		if (i % 3)
			ck_assert_int_eq(call3(op_fd, p[0], WAIT_READ, 50000), WAKE_TIMEOUT);
		put_byte(p[1]);
		ck_assert_int_eq(call3(op_fd, p[0], WAIT_READ, LONG), WAKE_EVENT);
		if (i % 2)
			yield();
		fd_forget(p[0], true);
		fd_forget(p[1], true);
		close(p[0]);
		close(p[1]);
	}
}

/* The same number names one pipe after the other. */
START_TEST(reopened)
{
	task_new(reopens, 0);
	tasks_run();
}
END_TEST

START_TEST(table)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = co_new();
	unsigned end = fd_table_end();

	ck_assert(!fd_is_ours(-1));
	ck_assert(!fd_is_ours(pipes[0]));
	loop_open(ca);
	ck_assert(fd_is_ours(ca->kick));
	ck_assert_int_ge(ca->kick, 100);
	ck_assert(fd_is_ours(ca->timers[0].fd));
	ck_assert(fd_is_ours(ca->timers[1].fd));
	ck_assert(!fd_is_ours(pipes[0]));
	fd_forget(ca->kick, true); /* no effect on ours */
	ck_assert(fd_is_ours(ca->kick));
	ck_assert_int_eq(wait_fd(co, 5000, WAIT_READ), 0);
	ck_assert_uint_gt(fd_table_end(), 5000);
	ck_assert_uint_ge(fd_table_end(), end);
	ck_assert(!fd_is_ours(5000));
	fd_wait_cancel(co);
	fd_wait_cancel(co);
}
END_TEST

START_TEST(high_numbers)
{
	struct rlimit lim = {64, 64};
	int fd = fd_move_high(dup(0));

	ck_assert_int_ge(fd, 900);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	fd = fd_move_high(dup(0));
	ck_assert_int_ge(fd, 32);
	ck_assert_int_lt(fd, 64);
	ck_assert_int_eq(fd_move_high(-EMFILE), -EMFILE);
}
END_TEST

static void is_kicked(struct task *t)
{
	ck_assert_int_eq(call0(op_park), WAKE_SIGNAL);
	note(t->id);
}

static void wake_from_attend(void)
{
	this_carrier()->attention = 0;
	co_wake(&other->co, WAKE_SIGNAL);
}

static void on_alarm(int sig)
{
	(void)sig;
	this_carrier()->attention = 1;
	carrier_kick();
}

/* What a signal handler notes while the loop sleeps is seen at once. */
START_TEST(kick)
{
	struct itimerval in = {.it_value = {0, 20000}};

	sched_hooks.attend = wake_from_attend;
	ck_assert(signal(SIGALRM, on_alarm) != SIG_ERR);
	setitimer(ITIMER_REAL, &in, NULL);
	other = task_new(is_kicked, 1);
	tasks_run();
	CHECK_LOG(1);
}
END_TEST

#define MANY 4000

static int (*crowd)[2];
static unsigned long crowd_got;

static void one_of_crowd(struct task *t)
{
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(call3(op_fd, crowd[t->id][0], WAIT_READ, 0), WAKE_EVENT);
		get_byte(crowd[t->id][0]);
		crowd_got++;
	}
}

static void feeds_crowd(struct task *t)
{
	(void)t;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i += 2)
			put_byte(crowd[i][1]);
		while (crowd_got < (unsigned long)(MANY * round + MANY / 2))
			sleep_ns(MS);
		for (int i = 1; i < MANY; i += 2)
			put_byte(crowd[i][1]);
		while (crowd_got < (unsigned long)(MANY * (round + 1)))
			sleep_ns(MS);
	}
}

START_TEST(thousands)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	if (lim.rlim_max < 2 * MANY + 100)
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	crowd = calloc(MANY, sizeof(*crowd));
	for (int i = 0; i < MANY; i++) {
		ck_assert_int_eq(pipe(crowd[i]), 0);
		task_new(one_of_crowd, i);
	}
	task_new(feeds_crowd, 0);
	tasks_run();
	ck_assert_uint_eq(crowd_got, 3 * MANY);
	/* One look serves many: not one for each of the 12000 that were ready. */
	ck_assert_uint_lt(sched_stats.loops, 3 * MANY / 4);
}
END_TEST

static void ping(struct task *t)
{
	for (int i = 0; i < 1000; i++) {
		if (t->id)
			put_byte(sock[1]);
		ck_assert_int_eq(call3(op_fd, sock[t->id], WAIT_READ, 0), WAKE_EVENT);
		get_byte(sock[t->id]);
		if (!t->id)
			put_byte(sock[0]);
	}
}

/* In steady state libev hears of nothing new, so that the kernel need not either. */
START_TEST(steady)
{
	task_new(ping, 0);
	task_new(ping, 1);
	tasks_run();
	ck_assert_uint_eq(sched_stats.parks[PARK_FD], 2000);
}
END_TEST

/* A call that fails after it armed one wait must leave nothing behind. */
static long op_arm_and_fail(struct task *t)
{
	ck_assert_int_eq(wait_fd(&t->co, pipes[0], WAIT_READ), 0);
	return wait_fd(&t->co, -1, WAIT_READ);
}

static void fails_armed(struct task *t)
{
	ck_assert_int_eq(call0(op_arm_and_fail), -EBADF);
	ck_assert_int_eq(t->co.fd.fd, -1);
}

START_TEST(failed_call)
{
	task_new(fails_armed, 0);
	tasks_run();
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("loop", 20, setup);

	tcase_add_test(tests, reading);
	tcase_add_test(tests, writing);
	tcase_add_test(tests, two_directions);
	tcase_add_test(tests, two_readers);
	tcase_add_test(tests, either);
	tcase_add_test(tests, many_at_once);
	tcase_add_test(tests, hangup);
	tcase_add_test(tests, odd_files);
	tcase_add_test(tests, found_early);
	tcase_add_test(tests, reported_once);
	tcase_add_test(tests, quiet);
	tcase_add_test(tests, in_order);
	tcase_add_test(tests, wake_waiters);
	tcase_add_test(tests, wake_ready);
	tcase_add_loop_test(tests, duplicate_alive, 0, 8);
	tcase_add_test(tests, replaced);
	tcase_add_test(tests, reopened);
	tcase_add_test(tests, table);
	tcase_add_test(tests, high_numbers);
	tcase_add_test(tests, kick);
	tcase_add_test(tests, thousands);
	tcase_add_test(tests, steady);
	tcase_add_test(tests, failed_call);
	return unit_end();
}
