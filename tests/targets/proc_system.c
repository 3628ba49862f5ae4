/* SPDX-License-Identifier: MIT */
/* system() in ten threads at once gives each its own command's status. */
#include "../helpers.h"

static void *runs(void *arg)
{
	char command[64];

	snprintf(command, sizeof(command), "sleep 0.1; exit %d", (int)(intptr_t)arg);
	return (void *)(intptr_t)system(command);
}

int main(void)
{
	pthread_t threads[10];
	int64_t start = t_now_ms();
	int good = 0, status;

	for (intptr_t i = 0; i < 10; i++)
		threads[i] = t_thread(runs, (void *)i);
	for (int i = 0; i < 10; i++) {
		status = (intptr_t)t_join(threads[i]);
		good += WIFEXITED(status) && WEXITSTATUS(status) == i;
	}
	t_say("good %d", good);
	t_check("side by side", t_took(start, 100));
	t_check("a shell is there", system(NULL) != 0);
	return t_done();
}
