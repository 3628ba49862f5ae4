/* SPDX-License-Identifier: MIT */
/* Twenty threads fork and wait for their own children, which end in any order. */
#include "../helpers.h"

static void *forks(void *arg)
{
	intptr_t id = (intptr_t)arg;
	pid_t pid = T_OK(fork());

	if (pid == 0) {
		t_nap((id * 7) % 20 * 5);
		_exit(id);
	}
	return (void *)(intptr_t)t_reap(pid);
}

int main(void)
{
	pthread_t threads[20];
	int64_t start = t_now_ms();
	int good = 0;

	for (intptr_t i = 0; i < 20; i++)
		threads[i] = t_thread(forks, (void *)(i + 1));
	for (int i = 0; i < 20; i++)
		good += (intptr_t)t_join(threads[i]) == i + 1;
	t_say("each had its own child: %d", good);
	t_check("side by side", t_took(start, 95));
	t_check("none is left", waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	return t_done();
}
