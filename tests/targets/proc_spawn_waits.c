/* SPDX-License-Identifier: MIT */
/*
 * A child of vfork or posix_spawn takes its time before it is another program: only the thread that
 * has made it stands still. The others go on, and the child waits for what they do.
 */
#include "../helpers.h"

#include <spawn.h>
#include <sys/stat.h>

#define MAKERS 6

extern char **environ;

static char folder[] = "/tmp/spawnXXXXXX";
static volatile int ticks, over;

static void *ticks_on(void *arg)
{
	while (!over) {
		t_nap(1);
		ticks++;
	}
	return arg;
}

static void *opens_later(void *path)
{
	int fd;

	t_nap(300);
	fd = T_OK(open(path, O_RDONLY));
	t_nap(10);
	return (void *)(intptr_t)fd;
}

/* The child opens a FIFO for writing, before its exec: until somebody reads. */
static void *spawns(void *arg)
{
	char path[64], line[16] = "", *args[] = {"sh", "-c", "echo through; exit 3", NULL};
	posix_spawn_file_actions_t actions;
	pthread_t reader;
	int64_t start = t_now_ms();
	bool waited;
	pid_t child;
	int fd;

	snprintf(path, sizeof(path), "%s/%d", folder, (int)(intptr_t)arg);
	T_OK(mkfifo(path, 0600));
	reader = t_thread(opens_later, path);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, path, O_WRONLY, 0);
	T_ZERO(posix_spawn(&child, "/bin/sh", &actions, NULL, args, environ));
	waited = t_now_ms() - start >= 300;
	fd = (int)(intptr_t)t_join(reader);
	T_OK(read(fd, line, sizeof(line)));
	close(fd);
	unlink(path);
	return (void *)(intptr_t)(t_reap(child) == 3 && !strcmp(line, "through\n") && waited);
}

/* The child waits for a thread of its parent, and changes the parent's memory. */
static void *vforks(void *arg)
{
	int ends[2];
	volatile int seen = 0;
	int64_t start = t_now_ms();
	pid_t child;
	char byte;

	T_OK(pipe(ends));
	child = vfork();
	if (child == 0) {
		struct timespec span = {0, 200000000};

		nanosleep(&span, NULL);
		seen = ticks;
		if (read(ends[0], &byte, 0) == 0)
			execl("/bin/sh", "sh", "-c", "exit 4", NULL);
		_exit(99);
	}
	close(ends[0]);
	close(ends[1]);
	(void)arg;
	return (void *)(intptr_t)(t_reap(child) == 4 && seen > 0 && t_now_ms() - start >= 200);
}

/* It ends without an exec: by itself, by a signal. */
static void *no_exec(void *arg)
{
	bool killed = (intptr_t)arg % 2;
	pid_t child = vfork();

	if (child == 0) {
		usleep(200000);
		if (killed)
			kill(getpid(), SIGKILL);
		_exit(5);
	}
	return (void *)(intptr_t)(t_reap(child) == (killed ? 1000 + SIGKILL : 5));
}

/* A signal for who waits is handled when it has its answer. */
static volatile int handled;

static void count(int signal T_UNUSED)
{
	handled++;
}

static int all(const char *what, void *(*function)(void *))
{
	pthread_t threads[MAKERS];
	int good = 0, before = ticks;

	for (intptr_t i = 0; i < MAKERS; i++)
		threads[i] = t_thread(function, (void *)i);
	t_nap(20);
	for (int i = 0; i < MAKERS; i++)
		pthread_kill(threads[i], SIGUSR1);
	for (int i = 0; i < MAKERS; i++)
		good += t_join(threads[i]) != NULL;
	t_say("%s: %d good", what, good);
	t_check("the others went on", ticks - before >= 5);
	return good;
}

int main(void)
{
	pthread_t ticker = t_thread(ticks_on, NULL);

	t_handler(SIGUSR1, count, SA_RESTART);
	T_OK(mkdtemp(folder) ? 0 : -1);
	for (int round = 0; round < t_rounds(2); round++) {
		all("posix_spawn", spawns);
		all("vfork", vforks);
		all("without exec", no_exec);
	}
	t_say("handled: %d", handled);
	over = true;
	t_join(ticker);
	rmdir(folder);
	return t_done();
}
