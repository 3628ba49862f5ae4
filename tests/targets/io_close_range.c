/* SPDX-License-Identifier: MIT */
/* A program that closes every descriptor it might have inherited goes on as if nothing were. */
#include "../helpers.h"

static int pair[2];

static void *reads(void *arg T_UNUSED)
{
	char byte = 0;

	T_OK(read(pair[0], &byte, 1));
	return (void *)(intptr_t)byte;
}

static void use(const char *after)
{
	int64_t start = t_now_ms();
	pthread_t thread;

	t_say("%s", after);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	t_say("pair is %d %d", pair[0], pair[1]);
	thread = t_thread(reads, NULL);
	t_nap(50);
	t_check("slept", t_took(start, 50));
	T_OK(write(pair[1], "y", 1));
	t_say("thread read %c", (int)(intptr_t)t_join(thread));
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	use("at first");
	T_OK(syscall(SYS_close_range, 3, ~0u, 0));
	use("after close_range");
	for (int fd = 3; fd < 1100; fd++)
		close(fd);
	use("after closing one by one");
	T_OK(syscall(SYS_close_range, 3, ~0u, 0));
	use("after close_range again");
	t_check("a number never opened is EBADF", close(900) == -1 && errno == EBADF);
	return t_done();
}
