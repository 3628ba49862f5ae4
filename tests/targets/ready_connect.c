/* SPDX-License-Identifier: MIT */
/* Non-blocking connects end in a poll, a select or an epoll, with their result in SO_ERROR. */
#include "../helpers.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int outcome(int fd)
{
	socklen_t size = sizeof(int);
	int error = -1;

	T_OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	return error;
}

static void wait_writable(int how, int fd)
{
	struct pollfd poll_fd = {fd, POLLOUT, 0};
	struct epoll_event event = {.events = EPOLLOUT};
	fd_set set;
	int epoll;

	switch (how) {
	case 0:
		T_OK(poll(&poll_fd, 1, 5000));
		break;
	case 1:
		FD_ZERO(&set);
		FD_SET(fd, &set);
		T_OK(select(fd + 1, NULL, &set, NULL, NULL));
		break;
	default:
		epoll = T_OK(epoll_create1(0));
		T_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
		T_OK(epoll_wait(epoll, &event, 1, 5000));
		close(epoll);
	}
}

static void *connects(void *arg)
{
	struct sockaddr_in address;
	int how = (intptr_t)arg, listener = t_listener(&address);

	for (int refused = 0; refused < 2; refused++) {
		int fd = T_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
		int error = 0;

		if (refused)
			close(listener);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1) {
			if (errno != EINPROGRESS)
				return (void *)(intptr_t)errno;
			wait_writable(how, fd);
			error = outcome(fd);
		}
		if (error != (refused ? ECONNREFUSED : 0))
			return (void *)(intptr_t)error;
		close(fd);
	}
	return NULL;
}

int main(void)
{
	for (intptr_t how = 0; how < 3; how++)
		t_say("way %d: %ld", (int)how,
		      (long)(intptr_t)t_join(t_thread(connects, (void *)how)));
	return t_done();
}
