/* SPDX-License-Identifier: MIT */
/*
 * The server as one writes it by hand on libev: one thread, one watcher a connection.
 * Prints "port N" and serves until killed.
 *
 * usage: echo_libev [-h]     -h: an HTTP server that says hello
 */
/* LIBS: -lev */
#include "echo.h"
#include <ev.h>

static int http;

struct connection {
	ev_io io;
	size_t len, sent; /* of what the peer has not taken yet */
	char *rest;
};

static void drop(struct ev_loop *loop, struct connection *c)
{
	ev_io_stop(loop, &c->io);
	close(c->io.fd);
	free(c->rest);
	free(c);
}

static void wait_for(struct ev_loop *loop, struct connection *c, int events)
{
	ev_io_stop(loop, &c->io);
	ev_io_set(&c->io, c->io.fd, events);
	ev_io_start(loop, &c->io);
}

static void send_rest(struct ev_loop *loop, struct connection *c)
{
	ssize_t n = send(c->io.fd, c->rest + c->sent, c->len - c->sent, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		drop(loop, c);
		return;
	}
	c->sent += n;
	if (c->sent == c->len) {
		free(c->rest);
		c->rest = NULL;
		wait_for(loop, c, EV_READ);
	}
}

static void on_connection(struct ev_loop *loop, ev_io *w, int revents)
{
	struct connection *c = (struct connection *)w;
	char buffer[4096];
	const char *answer;
	ssize_t got, n;

	(void)revents;
	if (c->rest) {
		send_rest(loop, c);
		return;
	}
	got = recv(w->fd, buffer, sizeof(buffer), 0);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0) {
		drop(loop, c);
		return;
	}
	answer = echo_answer(http, buffer, &got);
	n = send(w->fd, answer, got, MSG_NOSIGNAL);
	if (n == got)
		return;
	if (n < 0 && errno != EAGAIN) {
		drop(loop, c);
		return;
	}
	c->sent = 0;
	c->len = got - (n > 0 ? n : 0);
	c->rest = malloc(c->len);
	if (!c->rest) {
		drop(loop, c);
		return;
	}
	memcpy(c->rest, answer + got - c->len, c->len);
	wait_for(loop, c, EV_WRITE);
}

static void on_listener(struct ev_loop *loop, ev_io *w, int revents)
{
	int fd;

	(void)revents;
	while ((fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		struct connection *c = calloc(1, sizeof(*c));

		if (!c) {
			close(fd);
			continue;
		}
		echo_nodelay(fd);
		ev_io_init(&c->io, on_connection, fd, EV_READ);
		ev_io_start(loop, &c->io);
	}
}

int main(int argc, char **argv)
{
	struct ev_loop *loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	ev_io listener;

	http = argc > 1 && !strcmp(argv[1], "-h");
	if (!loop)
		die("ev_loop_new", 0);
	ev_io_init(&listener, on_listener, echo_listen(SOCK_NONBLOCK), EV_READ);
	ev_io_start(loop, &listener);
	ev_run(loop, 0);
	return 0;
}
