/* SPDX-License-Identifier: MIT */
/* A peer that resets the connection gives ECONNRESET to the waiting reader, and later calls end. */
#include "../helpers.h"

#include <netinet/tcp.h>
#include <poll.h>

static void *reads(void *arg)
{
	char byte;
	ssize_t n = read(*(int *)arg, &byte, 1);

	return (void *)(intptr_t)(n < 0 ? errno : 0);
}

static void *writes(void *arg)
{
	static char block[1 << 16];
	ssize_t n;

	while ((n = send(*(int *)arg, block, sizeof(block), MSG_NOSIGNAL)) > 0)
		;
	return (void *)(intptr_t)errno;
}

static void reset(int fd)
{
	struct linger linger = {1, 0};

	T_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fd);
}

int main(void)
{
	struct pollfd poll_fd;
	pthread_t thread;
	int pair[2];
	char byte;

	t_tcp_pair(pair);
	thread = t_thread(reads, &pair[0]);
	t_settle();
	reset(pair[1]);
	t_say("waiting read: %s", strerror((intptr_t)t_join(thread)));
	t_say("next read %zd", read(pair[0], &byte, 1));
	t_check("next write is EPIPE", send(pair[0], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
	close(pair[0]);

	t_tcp_pair(pair);
	thread = t_thread(writes, &pair[0]);
	t_settle();
	reset(pair[1]);
	t_say("waiting write: %s", strerror((intptr_t)t_join(thread)));
	close(pair[0]);

	t_tcp_pair(pair);
	reset(pair[1]);
	poll_fd = (struct pollfd){pair[0], POLLIN, 0};
	t_say("poll %d", poll(&poll_fd, 1, 5000));
	t_check("error and hang-up are shown",
		(poll_fd.revents & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
	return t_done();
}
