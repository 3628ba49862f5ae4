/* SPDX-License-Identifier: MIT */
/* posix_spawn starts programs from threads with file actions, and reports a missing file. */
#include "../helpers.h"

#include <spawn.h>

extern char **environ;

static void *spawns(void *arg)
{
	char command[64], text[64] = "", expected[64];
	char *argv[] = {"sh", "-c", command, NULL};
	posix_spawn_file_actions_t actions;
	int ends[2], id = (intptr_t)arg;
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	T_OK(pipe2(ends, O_CLOEXEC));
	snprintf(command, sizeof(command), "echo spawned %d; exit %d", id, id);
	snprintf(expected, sizeof(expected), "spawned %d\n", id);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	T_ZERO(posix_spawnp(&pid, "sh", &actions, NULL, argv, environ));
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while ((n = read(ends[0], text + used, sizeof(text) - used)) > 0)
		used += n;
	close(ends[0]);
	return (void *)(intptr_t)(t_reap(pid) == id && strcmp(text, expected) == 0);
}

static void *fails(void *arg T_UNUSED)
{
	char *argv[] = {"missing", NULL};
	pid_t pid;

	t_say("missing file: %s",
	      strerror(posix_spawn(&pid, "./missing", NULL, NULL, argv, environ)));
	t_say("a folder: %s", strerror(posix_spawn(&pid, "/", NULL, NULL, argv, environ)));
	return NULL;
}

static void *signals(void *arg T_UNUSED)
{
	char *argv[] = {"sh", "-c", "kill -TERM $$; exit 3", NULL};
	posix_spawnattr_t attr;
	sigset_t set;
	pid_t pid;

	/* blocked here and, if the attribute works, not in the child */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	posix_spawnattr_init(&attr);
	T_ZERO(posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ));
	t_say("mask goes along: %d", t_reap(pid));
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	T_ZERO(posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ));
	t_say("mask is cleared: %d", t_reap(pid));
	return NULL;
}

int main(void)
{
	pthread_t threads[10];
	int good = 0;

	for (intptr_t i = 0; i < 10; i++)
		threads[i] = t_thread(spawns, (void *)i);
	for (int i = 0; i < 10; i++)
		good += t_join(threads[i]) != NULL;
	t_say("good %d", good);
	t_join(t_thread(fails, NULL));
	t_join(t_thread(signals, NULL));
	return t_done();
}
