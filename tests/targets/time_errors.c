/* SPDX-License-Identifier: MIT */
/* Sleeping calls refuse bad times, clocks and pointers with the kernel's error numbers. */
#include "../helpers.h"

static void *all(void *arg T_UNUSED)
{
	struct timespec ts = {0, 1000000000};

	t_say("nanoseconds too many: %d", nanosleep(&ts, NULL) == -1 && errno == EINVAL);
	ts.tv_nsec = -1;
	t_say("nanoseconds negative: %d", nanosleep(&ts, NULL) == -1 && errno == EINVAL);
	ts.tv_nsec = 0;
	ts.tv_sec = -1;
	t_say("seconds negative: %d", nanosleep(&ts, NULL) == -1 && errno == EINVAL);
	t_say("absolute negative: %s",
	      strerror(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL)));
	ts.tv_sec = 0;
	t_say("unknown clock: %s", strerror(clock_nanosleep(77, 0, &ts, NULL)));
	t_say("thread's own clock: %s",
	      strerror(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL)));
	t_say("coarse clock: %s", strerror(clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &ts, NULL)));
	t_say("bad pointer: %d", syscall(SYS_nanosleep, (void *)8, NULL) == -1 && errno == EFAULT);
	t_say("bad pointer to clock_nanosleep: %d",
	      syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (void *)8, NULL) == -1 &&
		      errno == EFAULT);
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
