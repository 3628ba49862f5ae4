/* SPDX-License-Identifier: MIT */
/* __thread variables and errno belong to their thread, across many switches. */
#include "../helpers.h"

#define THREADS 50

static __thread int counter = 5;
static __thread char block[3000];

static void *work(void *arg)
{
	intptr_t id = (intptr_t)arg;
	int wrong = counter != 5 || block[2999] != 0;

	memset(block, id, sizeof(block));
	for (int i = 0; i < 20; i++) {
		errno = 1000 + id;
		counter += id;
		if (id % 2)
			t_nap(1);
		else
			sched_yield();
		wrong += errno != 1000 + id;
		wrong += counter != 5 + id * (i + 1);
		wrong += block[i * 100] != id;
		close(-1);
		wrong += errno != EBADF;
	}
	return (void *)(intptr_t)wrong;
}

int main(void)
{
	pthread_t threads[THREADS];
	intptr_t wrong = 0;

	errno = 77;
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		wrong += (intptr_t)t_join(threads[i]);
	t_check("main kept its errno", errno == 77);
	t_check("main kept its variable", counter == 5);
	t_check("each thread kept its own", wrong == 0);
	return t_done();
}
