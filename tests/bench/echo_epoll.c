/* SPDX-License-Identifier: MIT */
/*
 * The server as an expert writes it: one thread, edge-triggered epoll, one epoll_ctl a connection.
 * Prints "port N" and serves until killed.
 *
 * usage: echo_epoll
 */
#include "echo.h"
#include <sys/epoll.h>

#define EVENTS 256

static char *parked[1 << 20]; /* what could not be sent yet, by descriptor */
static size_t parked_len[1 << 20];

/* Returns 0 when all was sent or kept for later, -1 when the connection is to be closed. */
static int flush_to(int fd, const char *data, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, data + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -1;
		sent += n;
	}
	if (sent < len) {
		char *rest = malloc(len - sent);

		if (!rest)
			return -1;
		memcpy(rest, data + sent, len - sent);
		free(parked[fd]);
		parked[fd] = rest;
	} else {
		free(parked[fd]);
		parked[fd] = NULL;
	}
	parked_len[fd] = len - sent;
	return 0;
}

static int serve(int fd, int closing)
{
	char buffer[4096];

	if (parked[fd] && flush_to(fd, parked[fd], parked_len[fd]))
		return -1;
	while (!parked[fd]) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);

		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got <= 0 || flush_to(fd, buffer, got))
			return -1;
		/* A short read has drained the socket; more bytes, or the end, raise a new edge. */
		if (got < (ssize_t)sizeof(buffer) && !closing)
			return 0;
	}
	return 0;
}

int main(void)
{
	struct epoll_event event[EVENTS], add = {.events = EPOLLIN};
	int listener = echo_listen(SOCK_NONBLOCK);
	int ep = epoll_create1(EPOLL_CLOEXEC);

	add.data.fd = listener;
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &add))
		die("epoll", errno);
	for (;;) {
		int n = epoll_wait(ep, event, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = event[i].data.fd;

			if (fd != listener) {
				if (serve(fd,
					  event[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))) {
					free(parked[fd]);
					parked[fd] = NULL;
					close(fd);
				}
				continue;
			}
			while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
				echo_nodelay(fd);
				add.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
				add.data.fd = fd;
				if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &add))
					close(fd);
			}
		}
	}
}
