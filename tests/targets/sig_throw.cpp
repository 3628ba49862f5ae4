// SPDX-License-Identifier: MIT
/* Handlers that throw: out of a fault, and out of a call that waits, in several threads. */
/* LIBS: -fnon-call-exceptions */
#include "../helpers.h"

#include <stdexcept>

static int unwound;

struct Guard {
	~Guard() { __atomic_add_fetch(&unwound, 1, __ATOMIC_SEQ_CST); }
};

static void throws(int sig)
{
	sigset_t set;

	// the handler does not return: nobody else puts the mask back
	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
	throw sig;
}

__attribute__((noinline)) static int reads(volatile int *at)
{
	Guard guard;

	return *at;
}

static void *faults(void *arg)
{
	intptr_t caught = 0;

	(void)arg;
	for (int i = 0; i < 20; i++) {
		try {
			reads((volatile int *)(intptr_t)(i * 8));
		} catch (int sig) {
			caught += sig == SIGSEGV;
		}
		if (i % 5 == 0)
			usleep(500);
	}
	return (void *)caught;
}

static sem_t ready;

__attribute__((noinline)) static void waits(int fd)
{
	Guard guard;
	char byte;

	sem_post(&ready);
	for (;;)
		if (read(fd, &byte, 1) != -1 || errno != EINTR)
			return;
}

static void *interrupted(void *arg)
{
	try {
		waits(*(int *)arg);
	} catch (int sig) {
		return (void *)(intptr_t)sig;
	}
	return nullptr;
}

int main()
{
	pthread_t threads[6];
	int ends[2];

	sem_init(&ready, 0, 0);
	T_OK(pipe(ends));
	t_handler(SIGSEGV, throws, 0);
	t_handler(SIGUSR1, throws, 0);
	for (int i = 0; i < 6; i++)
		threads[i] = t_thread(faults, nullptr);
	for (int i = 0; i < 6; i++)
		t_say("thread %d caught %ld faults", i, (long)(intptr_t)t_join(threads[i]));
	for (int i = 0; i < 6; i++)
		threads[i] = t_thread(interrupted, ends);
	for (int i = 0; i < 6; i++)
		sem_wait(&ready);
	t_settle();
	for (int i = 0; i < 6; i++)
		pthread_kill(threads[i], SIGUSR1);
	for (int i = 0; i < 6; i++)
		t_say("thread %d was thrown %ld", i, (long)(intptr_t)t_join(threads[i]));
	t_say("unwound %d", unwound);
	return t_done();
}
