/* SPDX-License-Identifier: MIT */
/*
 * The server as everybody writes it first: a thread for each connection, blocking calls.
 * Prints "port N" and serves until killed.
 *
 * usage: echo_threads [-h] [-g THREADS] [-b THREADS]
 *
 *   -h  an HTTP server that says hello
 *   -g  so many further threads that compute all the time
 *   -b  so many further threads, with the least of stacks, that wait for ever
 */
#include "echo.h"

#define LEAST 16384

static int http;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void *compute(void *arg)
{
	for (volatile unsigned long n = 0;; n++)
		;
	return arg;
}

static void *block(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;)
		pthread_cond_wait(&never, &lock);
	return arg;
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[4096];
	ssize_t got;

	while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
		const char *answer = echo_answer(http, buffer, &got);

		for (ssize_t sent = 0; sent < got;) {
			ssize_t n = send(fd, answer + sent, got - sent, MSG_NOSIGNAL);

			if (n <= 0)
				goto out;
			sent += n;
		}
	}
out:
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	int listener, option, hogs = 0;
	long blocked = 0;
	pthread_t other;

	while ((option = getopt(argc, argv, "hg:b:")) != -1) {
		if (option == 'h')
			http = 1;
		else if (option == 'g')
			hogs = atoi(optarg);
		else if (option == 'b')
			blocked = atol(optarg);
		else
			return 2;
	}
	while (hogs-- > 0)
		start(&other, SMALL_STACK, compute, NULL);
	while (blocked-- > 0)
		start(&other, LEAST, block, NULL);
	listener = echo_listen(0);

	for (;;) {
		int fd = accept(listener, NULL, NULL), error;
		pthread_t thread;

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				usleep(1000);
			else if (errno != EINTR && errno != ECONNABORTED)
				die("accept", errno);
			continue;
		}
		echo_nodelay(fd);
		error = try_start(&thread, SMALL_STACK, serve, (void *)(intptr_t)fd);
		if (error) {
			fprintf(stderr, "pthread_create: %s\n", strerror(error));
			close(fd);
			continue;
		}
		pthread_detach(thread);
	}
}
