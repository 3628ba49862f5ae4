/* SPDX-License-Identifier: MIT */
/* What the calls that move data have in common. */
#ifndef COPATCH_IO_H
#define COPATCH_IO_H

#include <sys/uio.h>

#include "fdtab.h"
#include "thread.h"

/* The descriptor of the call: the first argument, or its file if the number was closed since. */
static inline int call_fd(const struct thread *th)
{
	return th->call.held >= 0 ? th->call.held : (int)th->call.arg[0];
}

/*
 * A try without waiting said EAGAIN. Waits for `events` on the call's descriptor unless the file
 * is non-blocking, the time is up or a signal has come; then the result of the call, which is
 * call.done if anything went through.
 */
long io_wait(struct thread *th, short events);
/* The same for a call that has just come to the door, and whose file is known to block. */
long io_park(struct thread *th, short events);

/* The same for a socket: within SO_RCVTIMEO or SO_SNDTIMEO, by `events`. */
long socket_wait(struct thread *th, short events);

/* A first try would find nothing, and the call waits then, for as long as it takes. */
static inline bool socket_nothing_there(const struct thread *th)
{
	int fd = call_fd(th);

	return !th->co.woke && !th->call.begun && fd_take_quiet(fd) &&
	       fd_known(fd, FD_BLOCKING | FD_NO_RCVTIMEO);
}

/* What poll(2) says of it now. */
bool io_ready(int fd, short events);

/*
 * Something has been written to `fd`. Who waits to read it in this process need not wait for
 * epoll to say so; it tries again in any case.
 */
static inline void io_written(int fd)
{
	int peer = fd_peer(fd);

	if (peer >= 0)
		fd_wake_ready(peer, WAIT_READ);
}

/* An error ends the call; but what went through before it is what the caller gets to know. */
static inline long io_result(const struct thread *th, long result)
{
	return th->call.done ? (long)th->call.done : result;
}

/*
 * Copies the program's vector into `to` without its first call.done bytes. The number of
 * elements, or -errno. `to` has room for IOV_MAX.
 */
long io_vector(const struct thread *th, struct iovec *to, uint64_t from, uint64_t count);
uint64_t io_length(const struct iovec *iov, long count);

/* -EPIPE, and SIGPIPE to the calling thread. */
long socket_broken(struct thread *th);

/*
 * The same for regular files and block devices, sys_disk.c: `vec` may be in our memory or in the
 * program's, `place` is AT_POSITION or where in the file.
 */
#define AT_POSITION (-1L)
long file_read(struct thread *th, uint64_t vec, uint64_t count, long place);
long file_write(struct thread *th, uint64_t vec, uint64_t count, long place);
/* A helper's call said EFBIG: perhaps there is a SIGXFSZ to be had. */
void file_exceeds_limit(struct thread *th);

/* The socket forms of read and write, sys_socket.c. */
long socket_read(struct thread *th, uint64_t iov, uint64_t count);
long socket_write(struct thread *th, uint64_t iov, uint64_t count);

#endif
