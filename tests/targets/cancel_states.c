/* SPDX-License-Identifier: MIT */
/* Cancellation waits while disabled, and acts at testcancel and at calls that need not wait. */
#include "../helpers.h"

static sem_t ready, go;
static volatile int reached;

static void *disabled(void *arg T_UNUSED)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	sem_post(&ready);
	sem_wait(&go);
	t_nap(10);
	reached = old == PTHREAD_CANCEL_ENABLE ? 1 : -1;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	reached = 2;
	return NULL;
}

static void *pending(void *arg T_UNUSED)
{
	char byte;
	int ends[2];

	T_OK(pipe(ends));
	T_OK(write(ends[1], "x", 1));
	sem_post(&ready);
	/* not a cancellation point, so that the request is there when read is entered */
	while (!reached)
		sched_yield();
	reached = 2;
	/* there is data, and the thread must end all the same */
	T_OK(read(ends[0], &byte, 1));
	reached = 3;
	return NULL;
}

static void *itself(void *arg T_UNUSED)
{
	pthread_cancel(pthread_self());
	reached = 5;
	pthread_testcancel();
	reached = 6;
	return NULL;
}

int main(void)
{
	pthread_t thread;

	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	thread = t_thread(disabled, NULL);
	sem_wait(&ready);
	T_ZERO(pthread_cancel(thread));
	sem_post(&go);
	t_check("disabled, then canceled", t_join(thread) == PTHREAD_CANCELED);
	t_say("reached %d", reached);

	reached = 0;
	thread = t_thread(pending, NULL);
	sem_wait(&ready);
	T_ZERO(pthread_cancel(thread));
	reached = 1;
	t_check("pending at a call that need not wait", t_join(thread) == PTHREAD_CANCELED);
	t_say("reached %d", reached);

	t_check("itself", t_join(t_thread(itself, NULL)) == PTHREAD_CANCELED);
	t_say("reached %d", reached);
	return t_done();
}
