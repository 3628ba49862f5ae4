/* SPDX-License-Identifier: MIT */
/*
 * Two threads meet at a barrier so often that its system calls are worth patching, at a place
 * where they stay in the stub while they wait. One waits there when "ready ID" is printed, for
 * main to sleep a second and come, and so on for ever.
 */
#include "../helpers.h"

#define WARM 60

static pthread_barrier_t barrier;
static pid_t waiter;

__attribute__((noinline)) static void meets(void)
{
	pthread_barrier_wait(&barrier);
	__asm__ volatile("");
}

static void *waits(void *arg)
{
	waiter = gettid();
	for (;;)
		meets();
	return arg;
}

int main(void)
{
	T_ZERO(pthread_barrier_init(&barrier, NULL, 2));
	t_thread(waits, NULL);
	for (int i = 0;; i++) {
		t_nap(i < WARM ? 2 : 1000);
		if (i == WARM) {
			printf("ready %d\n", waiter);
			fflush(stdout);
		}
		meets();
	}
}
