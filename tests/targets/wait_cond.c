/* SPDX-License-Identifier: MIT */
/* Signal wakes one waiter, broadcast wakes all, and a token goes round in order. */
#include "../helpers.h"

#define THREADS 12

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int waiting, tickets, woken, turn;

static void *waits(void *arg T_UNUSED)
{
	pthread_mutex_lock(&lock);
	waiting++;
	while (!tickets)
		pthread_cond_wait(&cond, &lock);
	tickets--;
	woken++;
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void *turns(void *arg)
{
	intptr_t id = (intptr_t)arg, rounds = 0;

	pthread_mutex_lock(&lock);
	while (turn < THREADS * 50) {
		if (turn % THREADS != id) {
			pthread_cond_wait(&cond, &lock);
			continue;
		}
		turn++;
		rounds++;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&lock);
	return (void *)rounds;
}

static int count(int *number)
{
	int result;

	pthread_mutex_lock(&lock);
	result = *number;
	pthread_mutex_unlock(&lock);
	return result;
}

int main(void)
{
	pthread_t threads[THREADS];
	bool even = true;

	for (int i = 0; i < THREADS; i++)
		threads[i] = t_thread(waits, NULL);
	while (count(&waiting) < THREADS)
		t_nap(1);
	for (int i = 0; i < 3; i++) {
		pthread_mutex_lock(&lock);
		tickets++;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&lock);
	}
	while (count(&woken) < 3)
		t_nap(1);
	t_settle();
	t_say("three signals woke %d", count(&woken));
	pthread_mutex_lock(&lock);
	tickets = THREADS - 3;
	pthread_mutex_unlock(&lock);
	pthread_cond_broadcast(&cond);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	t_say("broadcast woke %d in all, tickets left %d", woken, tickets);

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(turns, (void *)i);
	for (int i = 0; i < THREADS; i++)
		even &= (intptr_t)t_join(threads[i]) == 50;
	t_check("every thread had fifty turns", even);
	return t_done();
}
