/* SPDX-License-Identifier: MIT */
/* What the three echo servers share, so that they differ only in how they wait. */
#ifndef ECHO_H
#define ECHO_H

#include "bench.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define ECHO_HTTP "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"

/*
 * What a server sends back for what it has got in one piece: the same, or as an HTTP server an
 * answer to each request, all of them without a body.
 */
static inline const char *echo_answer(int http, const char *got, ssize_t *len)
{
	if (!http)
		return got;
	if (*len < 4 || memcmp(got + *len - 4, "\r\n\r\n", 4))
		die("a request in pieces", 0);
	*len = sizeof(ECHO_HTTP) - 1;
	return ECHO_HTTP;
}

static inline void echo_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* Listens on a free port of 127.0.0.1 and prints it. flags: SOCK_NONBLOCK or 0. */
static inline int echo_listen(int flags)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&a, &len))
		die("listen", errno);
	printf("port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

#endif
