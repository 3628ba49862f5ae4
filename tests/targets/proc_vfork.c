/* SPDX-License-Identifier: MIT */
/* vfork with exec in threads, side by side, leaves the parent's memory and threads in order. */
#include "../helpers.h"

static void *runs(void *arg)
{
	char command[32];
	intptr_t id = (intptr_t)arg;
	volatile int failed = 0;
	pid_t pid;

	snprintf(command, sizeof(command), "sleep 0.05; exit %d", (int)id);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(99);
	}
	if (t_reap(pid) != id)
		return (void *)1;
	pid = vfork();
	if (pid == 0) {
		execl("./missing", "missing", NULL);
		failed = errno;
		_exit(98);
	}
	return t_reap(pid) == 98 && failed == ENOENT ? NULL : (void *)2;
}

static void *ticks(void *arg T_UNUSED)
{
	for (int i = 0; i < 20; i++)
		t_nap(5);
	return (void *)20;
}

int main(void)
{
	pthread_t threads[8], ticker = t_thread(ticks, NULL);
	int good = 0;

	for (intptr_t i = 0; i < 8; i++)
		threads[i] = t_thread(runs, (void *)(i + 1));
	for (int i = 0; i < 8; i++)
		good += t_join(threads[i]) == NULL;
	t_say("good %d", good);
	t_say("ticks %ld", (long)(intptr_t)t_join(ticker));
	return t_done();
}
