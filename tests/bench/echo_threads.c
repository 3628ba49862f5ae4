/* SPDX-License-Identifier: MIT */
/*
 * The server as everybody writes it first: a thread for each connection, blocking calls.
 * Prints "port N" and serves until killed.
 *
 * usage: echo_threads
 */
#include "echo.h"

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[4096];
	ssize_t got;

	while ((got = recv(fd, buffer, sizeof(buffer), 0)) > 0) {
		for (ssize_t sent = 0; sent < got;) {
			ssize_t n = send(fd, buffer + sent, got - sent, MSG_NOSIGNAL);

			if (n <= 0)
				goto out;
			sent += n;
		}
	}
out:
	close(fd);
	return NULL;
}

int main(void)
{
	int listener = echo_listen(0);

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
