/* SPDX-License-Identifier: MIT */
/* shutdown under a waiting read gives 0, under a waiting accept EINVAL, under a writer EPIPE. */
#include "../helpers.h"

static void *reads(void *arg)
{
	char byte;

	return (void *)(intptr_t)read(*(int *)arg, &byte, 1);
}

static void *accepts(void *arg)
{
	int fd = accept(*(int *)arg, NULL, NULL);

	return (void *)(intptr_t)(fd < 0 ? -errno : fd);
}

static void *writes(void *arg)
{
	static char block[1 << 20];
	ssize_t n;

	while ((n = send(*(int *)arg, block, sizeof(block), MSG_NOSIGNAL)) > 0)
		;
	return (void *)(intptr_t)errno;
}

static void check(const char *name, int pair[2])
{
	pthread_t thread = t_thread(reads, &pair[0]);

	t_settle();
	T_OK(shutdown(pair[0], SHUT_RD));
	t_say("%s: own shutdown, read gave %ld", name, (long)(intptr_t)t_join(thread));
	thread = t_thread(reads, &pair[1]);
	t_settle();
	T_OK(shutdown(pair[0], SHUT_WR));
	t_say("%s: peer's shutdown, read gave %ld", name, (long)(intptr_t)t_join(thread));
}

static void check_writer(const char *name, int pair[2])
{
	pthread_t thread = t_thread(writes, &pair[0]);

	t_settle();
	T_OK(shutdown(pair[0], SHUT_WR));
	t_say("%s: own shutdown, send gave %s", name, strerror((intptr_t)t_join(thread)));
}

int main(void)
{
	struct sockaddr_in address;
	pthread_t thread;
	int pair[2];

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check("unix", pair);
	t_tcp_pair(pair);
	check("tcp", pair);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check_writer("unix", pair);
	t_tcp_pair(pair);
	check_writer("tcp", pair);
	pair[0] = t_listener(&address);
	thread = t_thread(accepts, &pair[0]);
	t_settle();
	T_OK(shutdown(pair[0], SHUT_RDWR));
	t_say("accept gave %s", strerror(-(intptr_t)t_join(thread)));
	return t_done();
}
