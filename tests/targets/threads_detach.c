/* SPDX-License-Identifier: MIT */
/* Detached threads, by call and by attribute, run to their end without a join. */
#include "../helpers.h"

static sem_t finished;

static void *work(void *arg)
{
	if (arg)
		T_ZERO(pthread_detach(pthread_self()));
	t_nap(10);
	sem_post(&finished);
	return NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int count = 0;

	sem_init(&finished, 0, 0);
	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	for (int i = 0; i < 20; i++) {
		T_ZERO(pthread_create(&thread, &attr, work, NULL));
		T_ZERO(pthread_detach(t_thread(work, NULL)));
		t_thread(work, (void *)1);
	}
	for (; count < 60; count++)
		sem_wait(&finished);
	t_say("%d detached threads finished", count);

	thread = t_thread(work, NULL);
	T_ZERO(pthread_detach(thread));
	t_check("join of a detached thread is EINVAL", pthread_join(thread, NULL) == EINVAL);
	sem_wait(&finished);
	return t_done();
}
