/* SPDX-License-Identifier: MIT */
/* LIBS: -lm -frounding-math */
/* Rounding modes and vector registers belong to their thread across every kind of switch. */
#include "../helpers.h"

#include <fenv.h>

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
static volatile double one = 1, three = 3;
static volatile long double long_one = 1, long_three = 3;
static sem_t turn[16];
static double expected[4];
static long double long_expected[4];

static void *work(void *arg)
{
	int id = (intptr_t)arg, wrong = 0;
	double sum[16];

	fesetround(modes[id % 4]);
	for (int i = 0; i < 16; i++)
		sum[i] = id + i;
	for (int round = 0; round < 50; round++) {
		/* sixteen running values, so that registers are full when the switch comes */
		for (int i = 0; i < 16; i++)
			sum[i] += 0.5;
		if (round % 10 == 0) {
			t_nap(1);
		} else if (round % 3 == 0) {
			/* by a wait in libc */
			while (sem_wait(&turn[id]))
				;
			sem_post(&turn[(id + 1) % 16]);
		} else {
			sched_yield();
		}
		wrong += fegetround() != modes[id % 4];
		wrong += one / three != expected[id % 4];
		wrong += long_one / long_three != long_expected[id % 4];
	}
	for (int i = 0; i < 16; i++)
		wrong += sum[i] != id + i + 25;
	return (void *)(intptr_t)wrong;
}

int main(void)
{
	pthread_t threads[16];
	int wrong = 0;

	for (int i = 0; i < 4; i++) {
		fesetround(modes[i]);
		expected[i] = one / three;
		long_expected[i] = long_one / long_three;
	}
	for (int i = 0; i < 16; i++)
		sem_init(&turn[i], 0, i == 0);
	fesetround(FE_UPWARD);
	t_check("modes differ", expected[1] != expected[2]);
	for (intptr_t i = 0; i < 16; i++)
		threads[i] = t_thread(work, (void *)i);
	for (int i = 0; i < 16; i++)
		wrong += (intptr_t)t_join(threads[i]);
	t_say("wrong %d", wrong);
	t_check("main kept its mode", fegetround() == FE_UPWARD);
	return t_done();
}
