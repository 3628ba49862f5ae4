/* SPDX-License-Identifier: MIT */
/* Timed mutex locks give up on time, on both clocks, and succeed when the holder lets go. */
#include "../helpers.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void *holds(void *arg)
{
	pthread_mutex_lock(&mutex);
	t_nap((intptr_t)arg);
	pthread_mutex_unlock(&mutex);
	return NULL;
}

int main(void)
{
	struct timespec until;
	pthread_t holder;
	int64_t start;

	holder = t_thread(holds, (void *)1000);
	t_settle();
	start = t_now_ms();
	t_check("trylock is EBUSY", pthread_mutex_trylock(&mutex) == EBUSY);
	until = t_after(CLOCK_REALTIME, 50);
	t_check("timedlock times out", pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT);
	t_check("after 50 ms", t_took(start, 50));
	start = t_now_ms();
	until = t_after(CLOCK_MONOTONIC, 50);
	t_check("clocklock times out",
		pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until) == ETIMEDOUT);
	t_check("after 50 ms again", t_took(start, 50));
	until = t_timespec(0);
	t_check("a past time gives up at once",
		pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT);
	until.tv_nsec = 1000000000;
	t_check("bad nanoseconds are EINVAL", pthread_mutex_timedlock(&mutex, &until) == EINVAL);
	until = t_after(CLOCK_REALTIME, 10000);
	t_check("gets it when it is free", pthread_mutex_timedlock(&mutex, &until) == 0);
	pthread_mutex_unlock(&mutex);
	t_join(holder);

	holder = t_thread(holds, (void *)100);
	t_settle();
	until = t_after(CLOCK_MONOTONIC, 10000);
	t_check("clocklock gets it", pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until) == 0);
	pthread_mutex_unlock(&mutex);
	t_join(holder);
	return t_done();
}
