/* SPDX-License-Identifier: MIT */
/* Waits for mutexes, conditions, barriers and joins outlast a signal whose handler runs at once. */
#include "../helpers.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_t sleeper;
static __thread int hits;
static int ready;

static void handler(int signal T_UNUSED)
{
	hits++;
}

static void *sleeps(void *arg T_UNUSED)
{
	t_nap(1500);
	return NULL;
}

static void *in_mutex(void *arg T_UNUSED)
{
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return (void *)(intptr_t)hits;
}

static void *in_cond(void *arg T_UNUSED)
{
	pthread_mutex_lock(&lock);
	while (!ready)
		if (pthread_cond_wait(&cond, &lock))
			hits = -1;
	pthread_mutex_unlock(&lock);
	return (void *)(intptr_t)hits;
}

static void *in_barrier(void *arg T_UNUSED)
{
	pthread_barrier_wait(&barrier);
	return (void *)(intptr_t)hits;
}

static void *in_join(void *arg T_UNUSED)
{
	pthread_join(sleeper, NULL);
	return (void *)(intptr_t)hits;
}

int main(void)
{
	static void *(*const waits[4])(void *) = {in_cond, in_mutex, in_barrier, in_join};
	pthread_t threads[4];

	t_handler(SIGUSR1, handler, 0);
	pthread_barrier_init(&barrier, NULL, 2);
	sleeper = t_thread(sleeps, NULL);
	threads[0] = t_thread(waits[0], NULL);
	t_settle();
	pthread_mutex_lock(&lock);
	for (int i = 1; i < 4; i++)
		threads[i] = t_thread(waits[i], NULL);
	for (int round = 0; round < 3; round++) {
		t_settle();
		for (int i = 0; i < 4; i++)
			T_ZERO(pthread_kill(threads[i], SIGUSR1));
	}
	t_settle();
	pthread_mutex_unlock(&lock);
	pthread_barrier_wait(&barrier);
	pthread_mutex_lock(&lock);
	ready = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 4; i++)
		t_say("handled %ld", (long)(intptr_t)t_join(threads[i]));
	return t_done();
}
