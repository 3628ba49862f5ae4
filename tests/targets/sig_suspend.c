/* SPDX-License-Identifier: MIT */
/* sigsuspend and pause return after a handler; sigsuspend's mask holds for its wait only. */
#include "../helpers.h"

static __thread volatile int hits;
static sem_t ready;

static void handler(int signal T_UNUSED)
{
	hits++;
}

static void *suspends(void *arg T_UNUSED)
{
	sigset_t none, now;

	sigemptyset(&none);
	sem_post(&ready);
	t_check("sigsuspend is EINTR", sigsuspend(&none) == -1 && errno == EINTR);
	t_say("handled %d", hits);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	t_check("blocked again", sigismember(&now, SIGUSR1));
	raise(SIGUSR1);
	t_say("handled %d", hits);
	t_check("pending one ends it at once", sigsuspend(&none) == -1 && errno == EINTR);
	t_say("handled %d", hits);
	sem_post(&ready);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	if (hits == 2)
		t_check("pause is EINTR", pause() == -1 && errno == EINTR);
	t_say("handled %d", hits);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	sigset_t set;

	t_handler(SIGUSR1, handler, SA_RESTART);
	sem_init(&ready, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	thread = t_thread(suspends, NULL);
	sem_wait(&ready);
	T_ZERO(pthread_kill(thread, SIGUSR1));
	sem_wait(&ready);
	t_nap(200);
	T_ZERO(pthread_kill(thread, SIGUSR1));
	t_join(thread);
	return t_done();
}
