/* SPDX-License-Identifier: MIT */
/* A change of user ids reaches every thread and interrupts none of them. */
#include "../helpers.h"

static int ends[2];
static sem_t sem;

static void *reads(void *arg T_UNUSED)
{
	char byte;

	return (void *)(intptr_t)read(ends[0], &byte, 1);
}

static void *waits(void *arg T_UNUSED)
{
	return (void *)(intptr_t)(sem_wait(&sem) == 0);
}

int main(void)
{
	pthread_t readers[4], waiters[4];
	int good = 0;

	T_OK(pipe(ends));
	sem_init(&sem, 0, 0);
	for (int i = 0; i < 4; i++) {
		readers[i] = t_thread(reads, NULL);
		waiters[i] = t_thread(waits, NULL);
	}
	t_settle();
	t_say("setgid %d setuid %d", setgid(getgid()), setuid(getuid()));
	t_say("setresuid %d", setresuid(-1, geteuid(), -1));
	T_OK(write(ends[1], "1234", 4));
	for (int i = 0; i < 4; i++)
		sem_post(&sem);
	for (int i = 0; i < 4; i++)
		good += (int)(intptr_t)t_join(readers[i]) + (int)(intptr_t)t_join(waiters[i]);
	t_say("good %d", good);
	return t_done();
}
