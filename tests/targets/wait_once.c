/* SPDX-License-Identifier: MIT */
/* pthread_once runs its routine once, and the others wait until it has ended. */
#include "../helpers.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int runs, complete;

static void init(void)
{
	runs++;
	t_nap(50);
	complete = 1;
}

static void *work(void *arg T_UNUSED)
{
	pthread_once(&once, init);
	return (void *)(intptr_t)complete;
}

int main(void)
{
	pthread_t threads[20];
	int saw = 0;

	for (int i = 0; i < 20; i++)
		threads[i] = t_thread(work, NULL);
	for (int i = 0; i < 20; i++)
		saw += (intptr_t)t_join(threads[i]);
	t_say("runs %d, saw it complete %d", runs, saw);
	return t_done();
}
