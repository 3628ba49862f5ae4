/* SPDX-License-Identifier: MIT */
/* What is known of each descriptor of the program's. */
#ifndef COPATCH_FDTAB_H
#define COPATCH_FDTAB_H

#include <stdbool.h>
#include <stdint.h>

enum fd_kind {
	FD_UNKNOWN, /* not asked yet */
	FD_NONE,    /* not open */
	FD_SOCKET,
	FD_PIPE,
	FD_STREAM, /* eventfd, character device: epoll can wait for it */
	FD_TTY,
	FD_FILE, /* always ready */
};

struct fd_entry {
	uint8_t kind;
	bool no_nowait;
	uint8_t tcp; /* enum fd_tcp */
	bool copied;
	uint8_t disk;
	uint8_t facts; /* enum fd_fact, of the settings as of `known` */
	uint16_t queued;
	uint32_t known;
	uint32_t born;  /* in which generation, 0 unknown */
	uint32_t epoll; /* 0 none, else as of which nesting it was found watchable */
	int comm;
	int peer;
	uint32_t pair; /* the same in both ends, 0 none */
};

enum fd_tcp { FD_TCP_UNKNOWN, FD_TCP, FD_NOT_TCP };

/* Here as most calls look at it several times. */
#define FD_CHUNK_BITS 12
#define FD_TOP        (1 << 18)
extern struct fd_entry **fd_table;
extern uint32_t fd_generation; /* grows when files may become shared */
extern uint32_t fd_settings;   /* grows when the program changes a file's */
extern bool fd_layered;        /* see fd_tcp_layered */
struct fd_entry *fd_entry_new(int fd);

static inline struct fd_entry *fd_entry(int fd)
{
	unsigned chunk = (unsigned)fd >> FD_CHUNK_BITS;

	if (chunk >= FD_TOP || !fd_table[chunk])
		return fd_entry_new(fd);
	return &fd_table[chunk][fd & ((1 << FD_CHUNK_BITS) - 1)];
}

int fdtab_init(void) __attribute__((warn_unused_result));
enum fd_kind fd_kind(int fd);
/* read and write without waiting are refused by this file (RWF_NOWAIT): remembered here. */
bool fd_no_nowait(int fd);
void fd_set_no_nowait(int fd);
/*
 * What was found out about a file that no other process has, until the program changes the
 * settings of any file: descriptors may share one.
 */
enum fd_fact {
	FD_BLOCKING = 1, /* O_NONBLOCK is off */
	FD_NO_RCVTIMEO = 2,
	FD_NO_SNDTIMEO = 4,
	FD_CACHED = 8,    /* O_DIRECT is off */
	FD_BUFFERED = 16, /* and so are O_SYNC and O_DSYNC: a write ends in memory */
};
/* All of `facts`, of enum fd_fact. */
static inline bool fd_known(int fd, unsigned facts)
{
	const struct fd_entry *e = fd_entry(fd);

	return (e->facts & facts) == facts && e->known == fd_settings && e->born == fd_generation;
}
void fd_set_known(int fd, enum fd_fact fact);
/* The program itself asked for EAGAIN. Asked anew where another process may have changed it. */
bool fd_ask_nonblocking(int fd);
static inline bool fd_nonblocking(int fd)
{
	return !fd_known(fd, FD_BLOCKING) && fd_ask_nonblocking(fd);
}
void fd_settings_changed(void);
/* A TCP socket: one whose short read has taken all there was. */
enum fd_tcp fd_ask_tcp(int fd);
static inline bool fd_is_tcp(int fd)
{
	enum fd_tcp tcp = fd_entry(fd)->tcp;

	return (tcp ? tcp : fd_ask_tcp(fd)) == FD_TCP && !fd_layered;
}
void fd_set_tcp(int fd);
/* No short read tells that any more: a layer above TCP was put into some socket. */
void fd_tcp_layered(void);
/* Made by this process, and no other process can have it: nobody else takes what is ready. */
bool fd_private(int fd);
void fd_born(int fd);
/*
 * The same for a pair: what is written to one of them is read from the other. An eventfd is a
 * pair of its own.
 */
void fd_born_pair(int fd, int peer);
/* The other end's number, while it still is that; else -1. */
static inline int fd_peer(int fd)
{
	const struct fd_entry *e = fd_entry(fd);
	uint32_t pair = e->pair;
	int peer = e->peer;

	return pair && fd_entry(peer)->pair == pair ? peer : -1;
}
/* `fd` names the same file as `from`. */
void fd_duplicated(int fd, int from);
/* There is, or was, another number for the same file. */
void fd_set_copied(int fd);
/* Its file is closed with the number: it is private, and no other number names it. */
bool fd_alone(int fd);
void fd_gone(int fd);
/* So many connections are in the queue of this listener, for whoever accepts them first. */
unsigned fd_queued(int fd);
void fd_set_queued(int fd, unsigned n);
/* Where a regular file is, see disk.h; 0 unknown. */
unsigned fd_disk(int fd);
void fd_set_disk(int fd, unsigned disk);
/* An epoll instance that the program has made. */
void fd_set_epoll(int fd);
bool fd_is_epoll(int fd);
/* Another epoll instance can watch it, as long as none is put into another. */
bool fd_watchable(int fd);
void fd_set_watchable(int fd);
void fd_nested(void);
/* From now on every open file may have another owner too. */
void fd_all_shared(void);
/* /proc/self/task/TID/comm of a thread that the kernel does not know: its id, else 0. */
int fd_comm(int fd);
void fd_set_comm(int fd, int tid);

#endif
