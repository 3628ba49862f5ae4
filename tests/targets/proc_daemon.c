/* SPDX-License-Identifier: MIT */
/* A double fork in the way of a daemon: the grandchild uses threads and reports by a pipe. */
#include "../helpers.h"

#include <sys/stat.h>

static int report[2];

static void *says(void *arg)
{
	t_nap(20);
	T_OK(write(report[1], arg, 1));
	return NULL;
}

static void *becomes_daemon(void *arg T_UNUSED)
{
	pid_t pid = T_OK(fork());

	if (pid == 0) {
		pthread_t threads[3];
		int null = open("/dev/null", O_RDWR);

		T_OK(setsid());
		if (T_OK(fork()) > 0)
			_exit(0);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		umask(0);
		for (int i = 0; i < 3; i++)
			threads[i] = t_thread(says, &"abc"[i]);
		for (int i = 0; i < 3; i++)
			t_join(threads[i]);
		T_OK(write(report[1], getsid(0) != getpid() ? "!" : "?", 1));
		_exit(0);
	}
	t_say("first child %d", t_reap(pid));
	return NULL;
}

int main(void)
{
	int sum = 0, count = 0;
	char byte;

	T_OK(pipe(report));
	t_join(t_thread(becomes_daemon, NULL));
	close(report[1]);
	while (read(report[0], &byte, 1) == 1) {
		sum += byte;
		count++;
	}
	t_check("the daemon's threads reported", count == 4 && sum == 'a' + 'b' + 'c' + '!');
	return t_done();
}
