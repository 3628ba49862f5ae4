/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server with a thread per connection, in plain pthreads.
 *
 * With --serve it prints "port N", echoes until every client is gone, and ends
 * with status 0 on SIGTERM. Without an argument it tests itself: 50 clients,
 * also threads, talk to it at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define STACK_SIZE (64 * 1024)
#define CLIENTS    50
#define ROUNDS     20

static atomic_int served;
static int listener;
static in_port_t port;

static void check(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int read_all(int fd, char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = read(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static void *echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write_all(fd, data, (size_t)n) < 0)
			break;
	}
	close(fd);
	return NULL;
}

/* A thread that cannot be made costs its client the connection, no more. */
static void *accept_all(void *arg)
{
	pthread_attr_t attr;

	(void)arg;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	check(pthread_attr_setstacksize(&attr, STACK_SIZE) == 0, "stack size");
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;
		int error;

		if (fd < 0) {
			check(errno == EINTR || errno == ECONNABORTED, "accept");
			continue;
		}
		error = pthread_create(&thread, &attr, echo, (void *)(intptr_t)fd);
		if (error) {
			fprintf(stderr, "pthread_create: %s\n", strerror(error));
			close(fd);
			continue;
		}
		atomic_fetch_add(&served, 1);
	}
	return NULL;
}

static void start(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	check(listener >= 0, "socket");
	check(bind(listener, (struct sockaddr *)&addr, len) == 0, "bind");
	check(listen(listener, 4096) == 0, "listen");
	check(getsockname(listener, (struct sockaddr *)&addr, &len) == 0, "getsockname");
	port = addr.sin_port;
	check(pthread_create(&thread, NULL, accept_all, NULL) == 0, "pthread_create");
	pthread_detach(thread);
}

/* SIGTERM is blocked in every thread, so that only sigwait receives it. */
static int serve(void)
{
	struct rlimit limit;
	sigset_t set;
	int number;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	start();
	printf("port %d\n", ntohs(port));
	fflush(stdout);
	while (sigwait(&set, &number) != 0)
		;
	printf("served %d\n", atomic_load(&served));
	return 0;
}

/* Returns how many of its messages came back as they had been sent. */
static void *talk(void *arg)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = port,
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	intptr_t good = 0;
	char sent[512], got[512];

	check(fd >= 0, "socket");
	check(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "connect");
	for (int i = 0; i < ROUNDS; i++) {
		memset(sent, 'a' + i, sizeof(sent));
		snprintf(sent, sizeof(sent), "client %d message %d", (int)(intptr_t)arg, i);
		if (write_all(fd, sent, sizeof(sent)) < 0 || read_all(fd, got, sizeof(got)) < 0)
			break;
		good += memcmp(sent, got, sizeof(sent)) == 0;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, got, 1) != 0)
		good = -1;
	close(fd);
	return (void *)good;
}

static int self_test(void)
{
	pthread_t clients[CLIENTS];
	int good = 0;

	start();
	for (int i = 0; i < CLIENTS; i++)
		check(pthread_create(&clients[i], NULL, talk, (void *)(intptr_t)i) == 0,
		      "pthread_create");
	for (int i = 0; i < CLIENTS; i++) {
		void *result;

		pthread_join(clients[i], &result);
		good += (int)(intptr_t)result;
	}
	printf("%d messages of %d clients came back\n", good, CLIENTS);
	printf("served %d\n", atomic_load(&served));
	return good == CLIENTS * ROUNDS ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return self_test();
	if (argc == 2 && strcmp(argv[1], "--serve") == 0)
		return serve();
	fprintf(stderr, "usage: %s [--serve]\n", argv[0]);
	return 2;
}
