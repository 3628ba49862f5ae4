/* SPDX-License-Identifier: MIT */
/* A signal ends a sleep with EINTR, and a relative sleep tells what was left of it. */
#include "../helpers.h"

static sem_t lying_down;

static void handler(int signal T_UNUSED)
{
}

static void relative(bool old_call)
{
	struct timespec ts = t_timespec(2000), rest = {0, 0};
	int64_t start = t_now_ms(), left;

	sem_post(&lying_down);
	if (old_call)
		t_check("nanosleep", nanosleep(&ts, &rest) == -1 && errno == EINTR);
	else
		t_check("clock_nanosleep",
			clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rest) == EINTR);
	t_check("after 150 ms", t_took(start, 150));
	left = rest.tv_sec * 1000 + rest.tv_nsec / 1000000;
	t_check("the rest was left", left < 1900 && left >= 1850 - T_SLACK_MS);
}

static void *sleeps(void *arg)
{
	struct timespec ts, rest = {4711, 0};

	relative(arg != NULL);
	ts = t_after(CLOCK_REALTIME, 5000);
	sem_post(&lying_down);
	t_check("absolute, which leaves nothing",
		clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, &rest) == EINTR &&
			rest.tv_sec == 4711);
	sem_post(&lying_down);
	t_check("sleep gives the seconds left", sleep(5) >= 3);
	return NULL;
}

int main(void)
{
	/* SA_RESTART must make no difference to a sleep */
	t_handler(SIGUSR1, handler, SA_RESTART);
	sem_init(&lying_down, 0, 0);
	for (intptr_t i = 0; i < 2; i++) {
		pthread_t thread = t_thread(sleeps, (void *)i);

		for (int round = 0; round < 3; round++) {
			sem_wait(&lying_down);
			t_nap(150);
			T_ZERO(pthread_kill(thread, SIGUSR1));
		}
		t_join(thread);
	}
	return t_done();
}
