/* SPDX-License-Identifier: MIT */
/* Fifty threads that sleep 200 ms are done together and not one after the other. */
#include "../helpers.h"

static void *sleeps(void *arg T_UNUSED)
{
	int64_t start = t_now_ms();

	usleep(200000);
	return (void *)(intptr_t)t_took(start, 200);
}

int main(void)
{
	pthread_t threads[50];
	int64_t start = t_now_ms();
	int good = 0;

	for (int i = 0; i < 50; i++)
		threads[i] = t_thread(sleeps, NULL);
	for (int i = 0; i < 50; i++)
		good += (intptr_t)t_join(threads[i]);
	t_say("slept well: %d", good);
	t_check("all within a second", t_took(start, 200));
	return t_done();
}
