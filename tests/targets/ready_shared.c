/* SPDX-License-Identifier: MIT */
/* Many threads poll the same descriptor, some for reading and some for writing. */
#include "../helpers.h"

#include <poll.h>

static int pair[2];

static void *polls(void *arg)
{
	struct pollfd poll_fd = {pair[0], (intptr_t)arg, 0};

	return (void *)(intptr_t)(poll(&poll_fd, 1, 5000) == 1 ? poll_fd.revents : -1);
}

int main(void)
{
	static char block[65536];
	pthread_t readers[5], writers[5];
	int good = 0;
	ssize_t n;

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	while ((n = send(pair[0], block, sizeof(block), MSG_DONTWAIT)) > 0)
		;
	for (int i = 0; i < 5; i++) {
		readers[i] = t_thread(polls, (void *)POLLIN);
		writers[i] = t_thread(polls, (void *)POLLOUT);
	}
	t_settle();
	T_OK(write(pair[1], "x", 1));
	for (int i = 0; i < 5; i++)
		good += (intptr_t)t_join(readers[i]) == POLLIN;
	t_say("readers woken %d", good);
	while (recv(pair[1], block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	for (int i = 0; i < 5; i++)
		good += (intptr_t)t_join(writers[i]) == POLLOUT;
	t_say("and writers %d", good);
	return t_done();
}
