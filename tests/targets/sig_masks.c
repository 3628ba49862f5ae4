/* SPDX-License-Identifier: MIT */
/* Masks belong to threads and are inherited; a blocked signal stays pending until let in. */
#include "../helpers.h"

static __thread volatile int hits;
static sem_t go, ready;

static void handler(int signal T_UNUSED)
{
	hits++;
}

static void *inherits(void *arg T_UNUSED)
{
	sigset_t set, old, pending;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	t_say("inherited: USR1 %d USR2 %d", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2));
	sigpending(&pending);
	t_say("nothing pending: %d", !sigismember(&pending, SIGUSR1));
	sem_post(&ready);
	sem_wait(&go);
	sigpending(&pending);
	t_say("pending: %d, handled %d", sigismember(&pending, SIGUSR1), hits);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	t_say("let in: handled %d", hits);
	sigpending(&pending);
	t_say("pending: %d", sigismember(&pending, SIGUSR1));
	pthread_sigmask(SIG_BLOCK, &set, &old);
	t_say("old mask had USR1 %d", sigismember(&old, SIGUSR1));
	return NULL;
}

int main(void)
{
	sigset_t set, pending;
	pthread_t thread;

	t_handler(SIGUSR1, handler, 0);
	t_handler(SIGUSR2, handler, 0);
	sem_init(&go, 0, 0);
	sem_init(&ready, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	thread = t_thread(inherits, NULL);
	sem_wait(&ready);
	/* three of an ordinary signal are one */
	for (int i = 0; i < 3; i++)
		T_ZERO(pthread_kill(thread, SIGUSR1));
	sigpending(&pending);
	t_say("main sees it pending: %d", sigismember(&pending, SIGUSR1));
	sem_post(&go);
	t_join(thread);
	T_OK(kill(getpid(), SIGUSR1));
	sigpending(&pending);
	t_say("process-wide pending: %d, handled %d", sigismember(&pending, SIGUSR1), hits);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	t_say("handled %d", hits);
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	t_say("KILL and STOP cannot be blocked: %d %d", sigismember(&set, SIGKILL),
	      sigismember(&set, SIGSTOP));
	t_say("bad how: %s", strerror(pthread_sigmask(99, &set, NULL)));
	return t_done();
}
