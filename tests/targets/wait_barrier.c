/* SPDX-License-Identifier: MIT */
/* A barrier lets no thread pass before the last has come, and names one of them serial. */
#include "../helpers.h"

#define THREADS 25
#define ROUNDS  20

static pthread_barrier_t barrier;
static int arrived[ROUNDS], early, serial;

static void *work(void *arg)
{
	for (int round = 0; round < ROUNDS; round++) {
		if (((intptr_t)arg + round) % 7 == 0)
			t_nap(1);
		__atomic_add_fetch(&arrived[round], 1, __ATOMIC_SEQ_CST);
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&arrived[round], __ATOMIC_SEQ_CST) != THREADS)
			__atomic_add_fetch(&early, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	T_ZERO(pthread_barrier_init(&barrier, NULL, THREADS));
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	T_ZERO(pthread_barrier_destroy(&barrier));
	t_say("rounds %d serial %d early %d", ROUNDS, serial, early);
	return t_done();
}
