/* SPDX-License-Identifier: MIT */
/* Threads that compute or spin without system calls leave time to the others. */
#include "../helpers.h"

static pthread_spinlock_t spin;
static volatile int flag, stop;
static int ticks, counter;

static void *computes(void *arg T_UNUSED)
{
	volatile unsigned work = 0;
	int64_t start = t_now_ms();

	while (!stop && t_now_ms() - start < 8000)
		work++;
	return (void *)(intptr_t)(stop != 0);
}

static void *waits_for_flag(void *arg T_UNUSED)
{
	int64_t start = t_now_ms();

	while (!flag && t_now_ms() - start < 8000)
		;
	return (void *)(intptr_t)(flag != 0);
}

static void *spins(void *arg T_UNUSED)
{
	for (int i = 0; i < 2000; i++) {
		pthread_spin_lock(&spin);
		counter++;
		if (i % 500 == 0)
			t_nap(1);
		pthread_spin_unlock(&spin);
	}
	return NULL;
}

int main(void)
{
	pthread_t computing[2], waiting, spinning[3];
	int64_t start = t_now_ms();

	pthread_spin_init(&spin, 0);
	for (int i = 0; i < 2; i++)
		computing[i] = t_thread(computes, NULL);
	waiting = t_thread(waits_for_flag, NULL);
	for (; ticks < 10; ticks++)
		t_nap(5);
	t_check("main ticked meanwhile", t_took(start, 50));
	flag = 1;
	t_check("the flag was seen", t_join(waiting) != NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		t_check("computed until told", t_join(computing[i]) != NULL);
	for (int i = 0; i < 3; i++)
		spinning[i] = t_thread(spins, NULL);
	for (int i = 0; i < 3; i++)
		t_join(spinning[i]);
	t_say("counter %d", counter);
	return t_done();
}
