/* SPDX-License-Identifier: MIT */
/* Attributes hold: stack size, smallest stack, guard, detached state, and a stack of our own. */
#include "../helpers.h"

#include <limits.h>
#include <sys/mman.h>

struct seen {
	size_t stack;
	size_t guard;
	int detached;
	bool inside;
};

static void *look(void *arg)
{
	struct seen *seen = arg;
	pthread_attr_t attr;
	void *base;
	char here;

	T_ZERO(pthread_getattr_np(pthread_self(), &attr));
	T_ZERO(pthread_attr_getstack(&attr, &base, &seen->stack));
	T_ZERO(pthread_attr_getguardsize(&attr, &seen->guard));
	T_ZERO(pthread_attr_getdetachstate(&attr, &seen->detached));
	seen->inside = &here >= (char *)base && &here < (char *)base + seen->stack;
	pthread_attr_destroy(&attr);
	return NULL;
}

static void *deep(void *arg T_UNUSED)
{
	volatile char big[900 * 1024];
	intptr_t sum = 0;

	for (size_t i = 0; i < sizeof(big); i += 4096)
		big[i] = 1;
	for (size_t i = 0; i < sizeof(big); i += 4096)
		sum += big[i];
	return (void *)sum;
}

static void *tiny(void *arg)
{
	t_nap(20);
	return arg;
}

int main(void)
{
	struct seen seen = {0};
	pthread_attr_t attr;
	pthread_t thread;
	char *own;

	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstacksize(&attr, 1 << 20));
	T_ZERO(pthread_attr_setguardsize(&attr, 16384));
	T_ZERO(pthread_create(&thread, &attr, look, &seen));
	t_join(thread);
	t_say("stack %zu guard %zu", seen.stack, seen.guard);
	t_check("joinable", seen.detached == PTHREAD_CREATE_JOINABLE);
	t_check("runs on its stack", seen.inside);
	T_ZERO(pthread_create(&thread, &attr, deep, NULL));
	t_say("deep frame touched %ld pages", (long)(intptr_t)t_join(thread));

	own = mmap(NULL, 1 << 18, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T_ZERO(pthread_attr_setstack(&attr, own, 1 << 18));
	T_ZERO(pthread_create(&thread, &attr, look, &seen));
	t_join(thread);
	t_say("own stack %zu", seen.stack);
	t_check("runs on our own stack", seen.inside);
	T_OK(munmap(own, 1 << 18));

	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN));
	t_say("below the smallest stack: %s",
	      strerror(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN - 1)));
	for (intptr_t i = 0; i < 8; i++) {
		T_ZERO(pthread_create(&thread, &attr, tiny, (void *)i));
		if (t_join(thread) != (void *)i)
			t_check("smallest stack", false);
	}
	t_say("threads with the smallest stack done");
	return t_done();
}
