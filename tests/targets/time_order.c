/* SPDX-License-Identifier: MIT */
/* Ten threads wake in the order of their deadlines, whatever the order in which they lay down. */
#include "../helpers.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[32];
static struct timespec base;

static void *sleeps(void *arg)
{
	struct timespec until = base;
	int id = (intptr_t)arg;

	until.tv_nsec += (id + 1) * 30000000L;
	while (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	pthread_mutex_lock(&lock);
	order[strlen(order)] = '0' + id;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(void)
{
	static const int start[] = {4, 9, 0, 7, 2, 5, 1, 8, 3, 6};
	pthread_t threads[10];

	base = t_after(CLOCK_MONOTONIC, 50);
	for (int i = 0; i < 10; i++)
		threads[i] = t_thread(sleeps, (void *)(intptr_t)start[i]);
	for (int i = 0; i < 10; i++)
		t_join(threads[i]);
	t_say("%s", order);
	return t_done();
}
