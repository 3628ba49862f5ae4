/* SPDX-License-Identifier: MIT */
/* Each thread has its own alternate stack, on which it can survive an overflow of the other. */
#include "../helpers.h"

#include <setjmp.h>

#define STACK 65536

static __thread char *stack;
static __thread int on_stack, flags_inside;
static __thread sigjmp_buf back;

static void handler(int signal T_UNUSED)
{
	stack_t now;
	char here;

	on_stack = &here >= stack && &here < stack + STACK;
	sigaltstack(NULL, &now);
	flags_inside = now.ss_flags;
}

static void overflow(int signal)
{
	handler(signal);
	siglongjmp(back, 1);
}

static int deeper(int n)
{
	volatile char frame[4096];

	frame[n % 4096] = n;
	return n ? deeper(n - 1) + frame[n % 4096] : 0;
}

static void *work(void *arg)
{
	stack_t alternate = {.ss_size = STACK}, old;

	sigaltstack(NULL, &old);
	if (old.ss_flags != SS_DISABLE)
		return "inherited an alternate stack";
	alternate.ss_sp = stack = malloc(STACK);
	T_OK(sigaltstack(&alternate, NULL));
	t_nap((intptr_t)arg % 3);
	raise(SIGUSR1);
	if (!on_stack || flags_inside != SS_ONSTACK)
		return "USR1 not on the alternate stack";
	raise(SIGUSR2);
	if (on_stack)
		return "USR2 on the alternate stack";
	if (!sigsetjmp(back, 1)) {
		deeper(1 << 20);
		return "no overflow";
	}
	if (!on_stack)
		return "overflow not on the alternate stack";
	sigaltstack(NULL, &old);
	return old.ss_sp == stack && old.ss_flags == 0 ? "good" : "lost its alternate stack";
}

int main(void)
{
	pthread_t threads[6];
	pthread_attr_t attr;

	t_handler(SIGUSR1, handler, SA_ONSTACK);
	t_handler(SIGUSR2, handler, 0);
	t_handler(SIGSEGV, overflow, SA_ONSTACK);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 18);
	for (intptr_t i = 0; i < 6; i++)
		T_ZERO(pthread_create(&threads[i], &attr, work, (void *)i));
	for (int i = 0; i < 6; i++)
		t_say("%s", (char *)t_join(threads[i]));
	return t_done();
}
