/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* Threads that spin for one another, with nothing in the loop that tells so, get on all the same.
 */
#include "../helpers.h"

#define THREADS 4
#define TURNS   10

static volatile int turn;
static int order;

static void *passes(void *arg)
{
	int self = (int)(intptr_t)arg;

	for (int i = 0; i < TURNS; i++) {
		while (turn % THREADS != self)
			;
		order += turn == i * THREADS + self;
		getppid();
		turn++;
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct timespec used;

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(passes, (void *)i);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	t_say("%d turns in order", order);
	/* for servers/spinning */
	T_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used));
	fprintf(stderr, "%ld ms\n", (long)(used.tv_sec * 1000 + used.tv_nsec / 1000000));
	return t_done();
}
