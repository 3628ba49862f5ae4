/* SPDX-License-Identifier: MIT */
/* sched_yield lets other threads make progress while each waits for the others by yielding. */
#include "../helpers.h"

#include <sched.h>

#define THREADS 10

static int step[THREADS];

static void *work(void *arg)
{
	intptr_t id = (intptr_t)arg;

	for (int round = 0; round < 20; round++) {
		__atomic_store_n(&step[id], round + 1, __ATOMIC_SEQ_CST);
		for (int other = 0; other < THREADS; other++)
			while (__atomic_load_n(&step[other], __ATOMIC_SEQ_CST) < round + 1)
				if (sched_yield())
					return (void *)1;
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	bool good = true;

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		good &= t_join(threads[i]) == NULL;
	t_check("all went in step", good);
	return t_done();
}
