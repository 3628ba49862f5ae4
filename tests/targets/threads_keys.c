/* SPDX-License-Identifier: MIT */
/* Thread-specific data is private to its thread, and its destructors run, repeatedly if need be. */
#include "../helpers.h"

#include <limits.h>

#define THREADS 20

static pthread_key_t plain, stubborn, twice;
static int plain_runs, stubborn_runs, twice_runs;

static void end_plain(void *value)
{
	__atomic_add_fetch(&plain_runs, *(int *)value, __ATOMIC_SEQ_CST);
	free(value);
}

static void end_stubborn(void *value)
{
	__atomic_add_fetch(&stubborn_runs, 1, __ATOMIC_SEQ_CST);
	pthread_setspecific(stubborn, value);
}

static void end_twice(void *value)
{
	__atomic_add_fetch(&twice_runs, 1, __ATOMIC_SEQ_CST);
	if (value == (void *)1)
		pthread_setspecific(twice, (void *)2);
}

static void *work(void *arg)
{
	int *value = malloc(sizeof(*value));

	if (pthread_getspecific(plain))
		return (void *)1;
	*value = (intptr_t)arg;
	T_ZERO(pthread_setspecific(plain, value));
	T_ZERO(pthread_setspecific(stubborn, arg));
	T_ZERO(pthread_setspecific(twice, (void *)1));
	t_nap(10);
	return pthread_getspecific(plain) == value ? NULL : (void *)1;
}

int main(void)
{
	pthread_t threads[THREADS];
	int wrong = 0;

	T_ZERO(pthread_key_create(&plain, end_plain));
	T_ZERO(pthread_key_create(&stubborn, end_stubborn));
	T_ZERO(pthread_key_create(&twice, end_twice));
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		wrong += t_join(threads[i]) != NULL;
	t_check("each thread saw its own value", wrong == 0);
	t_say("destructors saw a sum of %d", plain_runs);
	t_say("two rounds asked for: %d", twice_runs / THREADS);
	t_say("endless rounds asked for: %d", stubborn_runs / THREADS);
	T_ZERO(pthread_key_delete(plain));
	t_check("deleted key is refused", pthread_setspecific(plain, NULL) == EINVAL);
	return t_done();
}
