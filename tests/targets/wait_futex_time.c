/* SPDX-License-Identifier: MIT */
/* Raw futex timeouts, relative and absolute, on both clocks, with their errors. */
#include "../helpers.h"

#include <linux/futex.h>

static int word;

static long futex(int op, int value, const struct timespec *timeout)
{
	return syscall(SYS_futex, &word, op, value, timeout, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void *measure(void *arg T_UNUSED)
{
	struct timespec ts = t_timespec(60);
	int64_t start = t_now_ms();

	t_check("relative", futex(FUTEX_WAIT_PRIVATE, 0, &ts) == -1 && errno == ETIMEDOUT);
	t_check("after 60 ms", t_took(start, 60));
	ts = t_after(CLOCK_MONOTONIC, 60);
	start = t_now_ms();
	t_check("absolute", futex(FUTEX_WAIT_BITSET_PRIVATE, 0, &ts) == -1 && errno == ETIMEDOUT);
	t_check("after 60 ms", t_took(start, 60));
	ts = t_after(CLOCK_REALTIME, 60);
	start = t_now_ms();
	t_check("absolute realtime",
		futex(FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &ts) == -1 &&
			errno == ETIMEDOUT);
	t_check("after 60 ms", t_took(start, 60));
	ts = t_timespec(0);
	t_check("zero", futex(FUTEX_WAIT_PRIVATE, 0, &ts) == -1 && errno == ETIMEDOUT);
	t_check("long ago", futex(FUTEX_WAIT_BITSET_PRIVATE, 0, &ts) == -1 && errno == ETIMEDOUT);
	t_check("wrong value wins", futex(FUTEX_WAIT_PRIVATE, 1, &ts) == -1 && errno == EAGAIN);
	ts.tv_nsec = 1000000000;
	t_check("bad nanoseconds", futex(FUTEX_WAIT_PRIVATE, 0, &ts) == -1 && errno == EINVAL);
	ts.tv_nsec = 0;
	ts.tv_sec = -1;
	t_check("negative", futex(FUTEX_WAIT_PRIVATE, 0, &ts) == -1 && errno == EINVAL);
	t_check("bad pointer", futex(FUTEX_WAIT_PRIVATE, 0, (void *)1) == -1 && errno == EFAULT);
	return NULL;
}

static void *waits_long(void *arg T_UNUSED)
{
	struct timespec ts = t_timespec(10000);

	return (void *)futex(FUTEX_WAIT_PRIVATE, 0, &ts);
}

int main(void)
{
	pthread_t thread;
	int64_t start;

	measure(NULL);
	t_join(t_thread(measure, NULL));
	thread = t_thread(waits_long, NULL);
	t_settle();
	start = t_now_ms();
	t_say("woke %ld", syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	t_check("woken before its time", t_join(thread) == NULL && t_took(start, 0));
	return t_done();
}
