/* SPDX-License-Identifier: MIT */
/* Blocking connects succeed, are refused, and wait for a place in a full unix backlog. */
#include "../helpers.h"

#include <sys/un.h>

static struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "socket"};

static void *connects(void *arg T_UNUSED)
{
	int fd = T_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	int64_t start = t_now_ms();

	T_OK(connect(fd, (struct sockaddr *)&path, sizeof(path)));
	T_OK(write(fd, "x", 1));
	return (void *)(intptr_t)(t_now_ms() - start >= 80);
}

static void *tcp_client(void *arg)
{
	int fd = t_connect(arg);
	char byte;

	t_check("connected socket blocks", !(fcntl(fd, F_GETFL) & O_NONBLOCK));
	return (void *)(intptr_t)read(fd, &byte, 1);
}

static void v6(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET6, SOCK_STREAM, 0), client;

	/* a machine without IPv6 gives the same line, since this is not what is looked at */
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 5) ||
	    getsockname(fd, (struct sockaddr *)&address, &size)) {
		t_say("IPv6 connect 0");
		return;
	}
	client = T_OK(socket(AF_INET6, SOCK_STREAM, 0));
	t_say("IPv6 connect %d", connect(client, (struct sockaddr *)&address, size));
}

int main(void)
{
	struct sockaddr_in address;
	pthread_t threads[4], client;
	int listener, fd, waited = 0;
	char byte;

	listener = t_listener(&address);
	client = t_thread(tcp_client, &address);
	fd = T_OK(accept(listener, NULL, NULL));
	T_OK(write(fd, "x", 1));
	t_say("client read %ld", (long)(intptr_t)t_join(client));
	close(listener);
	fd = T_OK(socket(AF_INET, SOCK_STREAM, 0));
	t_check("refused", connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1 &&
				   errno == ECONNREFUSED);
	t_check("wrong family",
		connect(fd, (struct sockaddr *)&path, sizeof(path)) == -1 && errno == EAFNOSUPPORT);
	v6();

	listener = T_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	T_OK(bind(listener, (struct sockaddr *)&path, sizeof(path)));
	fd = T_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	t_check("nobody listens",
		connect(fd, (struct sockaddr *)&path, sizeof(path)) == -1 && errno == ECONNREFUSED);
	T_OK(listen(listener, 0));
	T_OK(connect(fd, (struct sockaddr *)&path, sizeof(path)));
	T_OK(write(fd, "x", 1));
	for (int i = 0; i < 4; i++)
		threads[i] = t_thread(connects, NULL);
	t_nap(250);
	for (int i = 0; i < 5; i++) {
		fd = T_OK(accept(listener, NULL, NULL));
		T_OK(read(fd, &byte, 1));
	}
	for (int i = 0; i < 4; i++)
		waited += (intptr_t)t_join(threads[i]);
	t_say("waited for the backlog: %d", waited);
	return t_done();
}
