/* SPDX-License-Identifier: MIT */
/* What is known of each descriptor of the program's. */
#ifndef COPATCH_FDTAB_H
#define COPATCH_FDTAB_H

#include <stdbool.h>

enum fd_kind {
	FD_UNKNOWN, /* not asked yet */
	FD_NONE,    /* not open */
	FD_SOCKET,
	FD_PIPE,
	FD_STREAM, /* eventfd, character device: epoll can wait for it */
	FD_TTY,
	FD_FILE, /* always ready */
};

int fdtab_init(void) __attribute__((warn_unused_result));
enum fd_kind fd_kind(int fd);
/* read and write without waiting are refused by this file (RWF_NOWAIT): remembered here. */
bool fd_no_nowait(int fd);
void fd_set_no_nowait(int fd);
/* The program itself asked for EAGAIN. Asked anew where another process may have changed it. */
bool fd_nonblocking(int fd);
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
bool fd_known(int fd, enum fd_fact fact);
void fd_set_known(int fd, enum fd_fact fact);
void fd_settings_changed(void);
/* A TCP socket: one whose short read has taken all there was. */
bool fd_is_tcp(int fd);
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
int fd_peer(int fd);
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
