/* SPDX-License-Identifier: MIT */
/* Asynchronous cancellation ends a thread that computes and makes no system call. */
#include "../helpers.h"

static sem_t ready;

static void *computes(void *arg T_UNUSED)
{
	volatile unsigned work = 0;
	int64_t start = t_now_ms();

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&ready);
	while (t_now_ms() - start < 4000)
		work++;
	return (void *)1;
}

int main(void)
{
	pthread_t thread;

	sem_init(&ready, 0, 0);
	thread = t_thread(computes, NULL);
	sem_wait(&ready);
	t_nap(20);
	T_ZERO(pthread_cancel(thread));
	t_check("canceled", t_join(thread) == PTHREAD_CANCELED);
	return t_done();
}
