/* SPDX-License-Identifier: MIT */
/* read, write and their kin: try without waiting, wait for the descriptor, try again. */
#include "io.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "signals.h"
#include "sys.h"
#include "trace.h"
#include "usercopy.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#define MOST        0x7ffff000 /* bytes that one call moves: MAX_RW_COUNT, linux/fs.h */
#define PIPE_ATOMIC 4096       /* a pipe that polls writable takes so many bytes at once: pipe(7) */

long io_park(struct thread *th, short events)
{
	long err;

	th->call.begun = true;
	err = wait_fd(&th->co, call_fd(th), events);
	if (!err)
		err = call_wait_deadline(th);
	if (err)
		return io_result(th, err);
	th->co.parked_by = PARK_FD;
	th->co.touches = (const void *)th->call.arg[1];
	return BLOCKED;
}

long io_wait(struct thread *th, short events)
{
	if (th->co.woke & WAKE_SIGNAL)
		return io_result(th, th->call.timed ? -ERESTARTNOHAND : -ERESTARTSYS);
	if (th->co.woke & WAKE_TIMEOUT)
		return io_result(th, -EAGAIN);
	if (!th->call.begun && fd_nonblocking(call_fd(th)))
		return io_result(th, -EAGAIN);
	return io_park(th, events);
}

uint64_t io_length(const struct iovec *iov, long count)
{
	uint64_t n = 0;

	for (long i = 0; i < count; i++)
		n += iov[i].iov_len;
	return n;
}

long io_vector(const struct thread *th, struct iovec *to, uint64_t from, uint64_t count)
{
	uint64_t skip = th->call.done, i = 0;

	if (count > IOV_MAX)
		return -EINVAL;
	if (user_copy(to, (void *)from, count * sizeof(*to)))
		return -EFAULT;
	while (i < count && skip >= to[i].iov_len)
		skip -= to[i++].iov_len;
	if (i < count) {
		to[i].iov_base = (char *)to[i].iov_base + skip;
		to[i].iov_len -= skip;
	}
	memmove(to, to + i, (count - i) * sizeof(*to));
	return (long)(count - i);
}

bool io_ready(int fd, short events)
{
	struct pollfd p = {fd, events, 0};

	return raw3(__NR_poll, &p, 1, 0) != 0;
}

/*
 * Reads what is there. Files that do not know RWF_NOWAIT (before Linux 6.4 pipes, 6.10 timerfd
 * and signalfd, terminals always) are asked by poll first.
 */
static long read_now(struct thread *th, const struct iovec *iov, long count, long flags)
{
	int fd = call_fd(th);
	long n = -EOPNOTSUPP;

	if (!fd_no_nowait(fd)) {
		n = raw6(__NR_preadv2, fd, (long)iov, count, -1, -1, RWF_NOWAIT | flags);
		if (n != -EOPNOTSUPP)
			return n;
		fd_set_no_nowait(fd);
	}
	if (!io_ready(fd, POLLIN))
		return -EAGAIN;
	if (flags)
		return raw6(__NR_preadv2, fd, (long)iov, count, -1, -1, flags);
	return raw3(__NR_readv, fd, iov, count);
}

/*
 * A terminal waits inside the call, and no poll tells exactly how long. In the background it
 * stops the process instead, or says EIO to whoever blocks the signal, as helpers do.
 */
static bool tty_native(const struct thread *th)
{
	int group = 0, fd = call_fd(th);

	return fd_nonblocking(fd) ||
	       (!raw3(__NR_ioctl, fd, TIOCGPGRP, &group) && group != raw1(__NR_getpgid, 0));
}

/* Flags of the program's own, on a file: RWF_NOWAIT cannot wait, the others are rare. */
static long flagged(struct thread *th, long flags)
{
	return flags & RWF_NOWAIT ? sys_native(th) : sys_by_helper(th, true);
}

static long read_vector(struct thread *th, uint64_t iov, uint64_t count, long flags)
{
	long n;

	switch (fd_kind(call_fd(th))) {
	case FD_SOCKET:
		return socket_read(th, iov, count);
	case FD_TTY:
		/* What ends a read there is up to its settings (termios(3), VMIN and VTIME). */
		return tty_native(th) ? sys_native(th) : sys_by_helper(th, false);
	case FD_PIPE:
	case FD_STREAM:
		n = read_now(th, (struct iovec *)iov, (long)count, flags);
		return n == -EAGAIN && !(flags & RWF_NOWAIT) ? io_wait(th, WAIT_READ) : n;
	case FD_FILE:
		return flags ? flagged(th, flags) : file_read(th, iov, count, AT_POSITION);
	default:
		return sys_native(th);
	}
}

long sys_read(struct thread *th)
{
	struct iovec iov = {(void *)th->call.arg[1], (size_t)th->call.arg[2]};

	if (!iov.iov_len || (ssize_t)iov.iov_len < 0)
		return sys_native(th); /* none of these waits */
	if (iov.iov_len > MOST)
		iov.iov_len = MOST;
	return read_vector(th, (uint64_t)&iov, 1, 0);
}

long sys_readv(struct thread *th)
{
	return read_vector(th, (uint64_t)th->call.arg[1], (uint64_t)th->call.arg[2], 0);
}

/* At an offset: no stream. */
long sys_pread64(struct thread *th)
{
	struct iovec iov = {(void *)th->call.arg[1], (size_t)th->call.arg[2]};

	if (fd_kind(call_fd(th)) != FD_FILE || th->call.arg[3] < 0 || !iov.iov_len ||
	    (ssize_t)iov.iov_len < 0)
		return sys_native(th);
	if (iov.iov_len > MOST)
		iov.iov_len = MOST;
	return file_read(th, (uint64_t)&iov, 1, th->call.arg[3]);
}

long sys_preadv(struct thread *th)
{
	if (fd_kind(call_fd(th)) != FD_FILE || th->call.arg[3] < 0)
		return sys_native(th);
	return file_read(th, (uint64_t)th->call.arg[1], (uint64_t)th->call.arg[2], th->call.arg[3]);
}

long sys_preadv2(struct thread *th)
{
	if (th->call.arg[3] != -1)
		return th->call.arg[5] ? flagged(th, th->call.arg[5]) : sys_preadv(th);
	return read_vector(th, (uint64_t)th->call.arg[1], (uint64_t)th->call.arg[2],
			   th->call.arg[5]);
}

/* Cuts the vector to at most `most` bytes. */
static long cut(struct iovec *iov, long count, uint64_t most)
{
	for (long i = 0; i < count; i++) {
		if (iov[i].iov_len >= most) {
			iov[i].iov_len = most;
			return i + 1;
		}
		most -= iov[i].iov_len;
	}
	return count;
}

/* Writes what there is room for. */
static long write_now(struct thread *th, struct iovec *iov, long count, long flags)
{
	int fd = call_fd(th);
	long n;

	if (!fd_no_nowait(fd)) {
		n = raw6(__NR_pwritev2, fd, (long)iov, count, -1, -1, RWF_NOWAIT | flags);
		if (n != -EOPNOTSUPP)
			return n;
		fd_set_no_nowait(fd);
	}
	if (!io_ready(fd, POLLOUT))
		return -EAGAIN;
	if (fd_kind(fd) == FD_PIPE)
		count = cut(iov, count, PIPE_ATOMIC);
	return raw3(__NR_writev, fd, iov, count);
}

/* A blocking write goes on until all is written; only an error or a signal ends it before. */
static long write_stream(struct thread *th, uint64_t from, uint64_t count, long flags)
{
	struct iovec iov[IOV_MAX];
	long left, n;

	for (;;) {
		left = io_vector(th, iov, from, count);
		if (left < 0)
			return left;
		if (!io_length(iov, left) && th->call.done)
			return (long)th->call.done;
		n = write_now(th, iov, left, flags);
		if (n == -EAGAIN)
			return flags & RWF_NOWAIT ? n : io_wait(th, WAIT_WRITE);
		if (n <= 0)
			return io_result(th, n);
		th->call.done += (uint64_t)n;
		io_written(call_fd(th));
		if (fd_kind(call_fd(th)) == FD_STREAM)
			return (long)th->call.done; /* a device decides itself what it takes */
	}
}

static long write_vector(struct thread *th, uint64_t iov, uint64_t count, long flags)
{
	switch (fd_kind(call_fd(th))) {
	case FD_SOCKET:
		return socket_write(th, iov, count);
	case FD_PIPE:
	case FD_STREAM:
		return write_stream(th, iov, count, flags);
	case FD_TTY:
		return tty_native(th) ? sys_native(th) : sys_by_helper(th, false);
	case FD_FILE:
		return flags ? flagged(th, flags) : file_write(th, iov, count, AT_POSITION);
	default:
		return sys_native(th);
	}
}

/* A thread's name, which glibc writes to a file of a thread that the kernel does not know. */
static long write_comm(struct thread *th, struct thread *of)
{
	uint64_t n = (uint64_t)th->call.arg[2], copied = n < 15 ? n : 15;
	char name[16] = {0};

	if (user_copy(name, (void *)th->call.arg[1], copied))
		return -EFAULT;
	memcpy(of->name, name, sizeof(name));
	trace_thread_named(of);
	return (long)n;
}

long sys_write(struct thread *th)
{
	struct iovec iov = {(void *)th->call.arg[1], (size_t)th->call.arg[2]};
	int comm = fd_comm(call_fd(th));

	if (comm && thread_by_tid(comm))
		return write_comm(th, thread_by_tid(comm));
	if (!iov.iov_len || (ssize_t)iov.iov_len < 0)
		return sys_native(th);
	return write_vector(th, (uint64_t)&iov, 1, 0);
}

long sys_writev(struct thread *th)
{
	return write_vector(th, (uint64_t)th->call.arg[1], (uint64_t)th->call.arg[2], 0);
}

long sys_pwrite64(struct thread *th)
{
	struct iovec iov = {(void *)th->call.arg[1], (size_t)th->call.arg[2]};

	if (fd_kind(call_fd(th)) != FD_FILE || th->call.arg[3] < 0 || !iov.iov_len ||
	    (ssize_t)iov.iov_len < 0)
		return sys_native(th);
	return file_write(th, (uint64_t)&iov, 1, th->call.arg[3]);
}

long sys_pwritev(struct thread *th)
{
	if (fd_kind(call_fd(th)) != FD_FILE || th->call.arg[3] < 0)
		return sys_native(th);
	return file_write(th, (uint64_t)th->call.arg[1], (uint64_t)th->call.arg[2],
			  th->call.arg[3]);
}

long sys_pwritev2(struct thread *th)
{
	if (th->call.arg[3] != -1)
		return th->call.arg[5] ? flagged(th, th->call.arg[5]) : sys_pwritev(th);
	return write_vector(th, (uint64_t)th->call.arg[1], (uint64_t)th->call.arg[2],
			    th->call.arg[5]);
}
