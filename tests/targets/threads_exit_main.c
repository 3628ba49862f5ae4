/* SPDX-License-Identifier: MIT */
/* main leaves by pthread_exit, the others go on, and the last one ends the process in status 0. */
#include "../helpers.h"

static pthread_t main_thread;
static int finished;

static void *work(void *arg)
{
	t_nap(20 * (intptr_t)arg);
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) == 5)
		t_say("last thread of five");
	return NULL;
}

static void *joins_main(void *arg T_UNUSED)
{
	void *result;

	T_ZERO(pthread_join(main_thread, &result));
	t_say("main left %s", (char *)result);
	return work((void *)1);
}

static void at_exit(void)
{
	t_say("atexit ran");
}

int main(void)
{
	main_thread = pthread_self();
	atexit(at_exit);
	for (intptr_t i = 1; i < 5; i++)
		T_ZERO(pthread_detach(t_thread(work, (void *)(i + 3))));
	T_ZERO(pthread_detach(t_thread(joins_main, NULL)));
	t_settle();
	pthread_exit("a value");
}
