/* SPDX-License-Identifier: MIT */
/* siglongjmp leaves a handler and the call beneath it, restoring the mask, time after time. */
#include "../helpers.h"

#include <setjmp.h>

static __thread sigjmp_buf back;
static __thread volatile sig_atomic_t armed;
static int ends[2];
static sem_t ready;

static void handler(int signal T_UNUSED)
{
	if (armed) {
		armed = 0;
		siglongjmp(back, 1);
	}
}

static void *jumps(void *arg)
{
	volatile intptr_t jumped = 0;
	sigset_t set;
	char byte;

	for (volatile int i = 0; i < 10; i++) {
		if (sigsetjmp(back, 1)) {
			pthread_sigmask(SIG_SETMASK, NULL, &set);
			jumped += !sigismember(&set, SIGUSR1);
			continue;
		}
		armed = 1;
		sem_post(&ready);
		if (arg)
			T_OK(read(ends[0], &byte, 1));
		else
			t_nap(5000);
	}
	return (void *)jumped;
}

int main(void)
{
	pthread_t reader, sleeper;

	T_OK(pipe(ends));
	sem_init(&ready, 0, 0);
	t_handler(SIGUSR1, handler, SA_RESTART);
	reader = t_thread(jumps, (void *)1);
	sleeper = t_thread(jumps, NULL);
	for (int i = 0; i < 10; i++) {
		sem_wait(&ready);
		sem_wait(&ready);
		t_nap(30);
		T_ZERO(pthread_kill(reader, SIGUSR1));
		T_ZERO(pthread_kill(sleeper, SIGUSR1));
	}
	t_say("reader jumped %ld", (long)(intptr_t)t_join(reader));
	t_say("sleeper jumped %ld", (long)(intptr_t)t_join(sleeper));
	T_OK(write(ends[1], "x", 1));
	t_check("the pipe is as it was", read(ends[0], ends, 1) == 1);
	return t_done();
}
