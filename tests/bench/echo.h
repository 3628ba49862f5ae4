/* SPDX-License-Identifier: MIT */
/* What the three echo servers share, so that they differ only in how they wait. */
#ifndef ECHO_H
#define ECHO_H

#include "bench.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

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
