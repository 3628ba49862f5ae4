/* SPDX-License-Identifier: MIT */
/* Threads return values through join, from a return, from pthread_exit and from nested threads. */
#include "../helpers.h"

#define THREADS 40

static pthread_t first;

static void *square(void *arg)
{
	intptr_t n = (intptr_t)arg;

	return (void *)(n * n);
}

static void *exits(void *arg)
{
	pthread_exit((char *)arg + 1);
}

static void *nests(void *arg)
{
	intptr_t depth = (intptr_t)arg;

	if (depth == 0)
		return NULL;
	return (char *)t_join(t_thread(nests, (void *)(depth - 1))) + depth;
}

static void *joins_first(void *arg T_UNUSED)
{
	return t_join(first);
}

static void *joins_self(void *arg T_UNUSED)
{
	return (void *)(intptr_t)pthread_join(pthread_self(), NULL);
}

static void *slow(void *arg)
{
	t_nap(50);
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	intptr_t sum = 0;

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(square, (void *)i);
	for (int i = THREADS; i--;)
		sum += (intptr_t)t_join(threads[i]);
	t_say("sum of squares %ld", (long)sum);
	t_say("pthread_exit gave %ld", (long)(intptr_t)t_join(t_thread(exits, (void *)41)));
	t_say("nested gave %ld", (long)(intptr_t)t_join(t_thread(nests, (void *)10)));
	first = t_thread(slow, (void *)7);
	t_say("joined by another thread %ld", (long)(intptr_t)t_join(t_thread(joins_first, NULL)));
	t_check("join of itself is EDEADLK",
		(intptr_t)t_join(t_thread(joins_self, NULL)) == EDEADLK);
	return t_done();
}
