/* SPDX-License-Identifier: MIT */
/* What is known of a descriptor: who waits for it, and what the loop has been told of it. */
#ifndef COPATCH_FD_WAIT_H
#define COPATCH_FD_WAIT_H

#include "carrier.h"
#include "libev.h"

#define CHUNK_BITS 10
#define CHUNK      (1 << CHUNK_BITS)
#define TOP        (1 << 20) /* covers every number up to 2^30, the kernel's limit */

struct loop_fd {
	/* What a wait and a report touch, in one line of the cache. */
	struct list waiters;
	void (*fn)(void *); /* one of our own descriptors: called instead of waking */
	void *arg;
	uint32_t generation; /* of the loop that `active` speaks of */
	uint32_t registered; /* libev's mark in the events of the file that it has told epoll of */
	uint8_t active;      /* wait_events that libev watches for */
	uint8_t unwanted;    /* looks in a row that reported something that nobody waits for */
	bool fresh;          /* the number names another file than the one that libev knows */
	bool again;   /* it is to be reported even if nothing has changed since the last time */
	bool quiet;   /* see fd_set_quiet */
	bool final;   /* more than data was reported: its end, an error, urgent data */
	bool known;   /* to epoll, watched or not: libev never takes one out */
	bool claimed; /* see fd_claim */
	bool dirty;
	uint8_t looks; /* see look_at_new */
	struct loop_fd *dirty_next;
	struct ev_io io;
} __attribute__((aligned(CACHE_LINE)));

/* In chunks; fd_wait.c. */
extern struct loop_fd **loop_fds;
/* One more at each fork: what was noted for an earlier loop is void. */
extern uint32_t loop_generation;

int fd_wait_init(struct carrier *ca);
struct loop_fd *fd_make_chunk(int fd);
void fd_renew(struct loop_fd *f);

/* NULL: no such number, or nothing is known of it and `make` is not set. */
static inline struct loop_fd *fd_note(int fd, bool make)
{
	unsigned chunk = (unsigned)fd >> CHUNK_BITS;
	struct loop_fd *f;

	if (chunk >= TOP) /* negative ones too */
		return NULL;
	f = loop_fds[chunk];
	if (!f && make)
		f = fd_make_chunk(fd);
	if (!f)
		return NULL;
	f += fd & (CHUNK - 1);
	if (f->generation != loop_generation)
		fd_renew(f);
	return f;
}

/* Its entry is to be compared with what the loop has been told. */
static inline void fd_mark_dirty(struct carrier *ca, struct loop_fd *f)
{
	if (f->dirty)
		return;
	f->dirty = true;
	f->dirty_next = ca->dirty;
	ca->dirty = f;
}

#endif
