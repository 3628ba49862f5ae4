/* SPDX-License-Identifier: MIT */
/* pthread_kill, tgkill and raise reach the thread that they name, and nobody else. */
#include "../helpers.h"

#define THREADS 6

static __thread int hits;
static sem_t ready, handled;
static int ids[THREADS];

static void handler(int signal T_UNUSED)
{
	hits++;
	sem_post(&handled);
}

static void *waits(void *arg)
{
	intptr_t id = (intptr_t)arg;
	int before;

	ids[id] = t_gettid();
	sem_post(&ready);
	while (hits < id)
		pause();
	before = hits;
	raise(SIGUSR2);
	return (void *)(intptr_t)(hits == before + 1 ? before : -1);
}

int main(void)
{
	pthread_t threads[THREADS];

	t_handler(SIGUSR1, handler, 0);
	t_handler(SIGUSR2, handler, 0);
	sem_init(&ready, 0, 0);
	sem_init(&handled, 0, 0);
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(waits, (void *)i);
	for (int i = 0; i < THREADS; i++)
		sem_wait(&ready);
	t_settle();
	for (int i = 0; i < THREADS; i++)
		for (int n = 0; n < i; n++) {
			if (n % 2)
				T_ZERO(pthread_kill(threads[i], SIGUSR1));
			else
				T_OK(syscall(SYS_tgkill, getpid(), ids[i], SIGUSR1));
			while (sem_wait(&handled))
				;
			/* the thread has to be back in pause before the next one */
			t_nap(40);
		}
	for (int i = 0; i < THREADS; i++)
		t_say("thread %d handled %ld", i, (long)(intptr_t)t_join(threads[i]));
	t_say("main handled %d", hits);
	t_check("no such thread",
		syscall(SYS_tgkill, getpid(), ids[0], SIGUSR1) == -1 && errno == ESRCH);
	t_check("bad signal", syscall(SYS_tgkill, getpid(), getpid(), 99) == -1 && errno == EINVAL);
	t_check("signal 0 to oneself", pthread_kill(pthread_self(), 0) == 0);
	return t_done();
}
