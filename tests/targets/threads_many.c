/* SPDX-License-Identifier: MIT */
/* A thousand threads are alive at once and all wait for the same word. */
#include "../helpers.h"

#define THREADS 1000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER, released = PTHREAD_COND_INITIALIZER;
static int present, go;

static void *work(void *arg)
{
	pthread_mutex_lock(&lock);
	if (++present == THREADS)
		pthread_cond_signal(&arrived);
	while (!go)
		pthread_cond_wait(&released, &lock);
	present--;
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(void)
{
	static pthread_t threads[THREADS];
	pthread_attr_t attr;
	long sum = 0;

	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstacksize(&attr, 65536));
	for (intptr_t i = 0; i < THREADS; i++)
		T_ZERO(pthread_create(&threads[i], &attr, work, (void *)i));
	pthread_mutex_lock(&lock);
	while (present < THREADS)
		pthread_cond_wait(&arrived, &lock);
	t_say("alive at once: %d", present);
	go = 1;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++)
		sum += (intptr_t)t_join(threads[i]);
	t_say("sum %ld left %d", sum, present);
	return t_done();
}
