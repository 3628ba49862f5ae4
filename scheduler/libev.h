/* SPDX-License-Identifier: MIT */
/* libev's functions, and what loop.c is told of its calls of epoll. */
#ifndef COPATCH_LIBEV_H
#define COPATCH_LIBEV_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct libev {
	struct ev_loop *(*loop_new)(unsigned);
	void (*loop_destroy)(struct ev_loop *);
	int (*run)(struct ev_loop *, int);
	void (*io_start)(struct ev_loop *, ev_io *);
	void (*io_stop)(struct ev_loop *, ev_io *);
};

extern struct libev ev;

/* -ELIBACC: there is none; -ELIBBAD: it lacks something, or calls epoll in no way that is known. */
int libev_load(void) __attribute__((warn_unused_result));

/* Has epoll been told of the file that the number names? */
bool loop_is_registered(int fd);
/* It has been, under this mark. */
void loop_registered(int fd, uint32_t mark);
void loop_not_open(int fd);
/*
 * Of a thousand descriptors none is in the cache when it is reported. So while one is served, what
 * is known of another is fetched by fd_fetch; and of who waits for it, once that is there.
 */
void loop_fetch_waiter(int fd);
/*
 * `events` were reported under that mark: wakes who waits for them. False: the descriptor is not
 * watched any more, and libev is to take it out.
 */
bool loop_reported(int fd, uint32_t mark, uint32_t events);

#endif
