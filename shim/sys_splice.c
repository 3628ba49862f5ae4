/* SPDX-License-Identifier: MIT */
/*
 * splice, tee and vmsplice. While the kernel waits for a socket at one side it holds the lock of
 * the pipe at the other (fs/splice.c, splice_to_socket and splice_file_to_pipe): were a helper
 * to wait in there, the carrier's next read of that pipe would wait too, and with it whoever is
 * to fill the socket. So nothing waits inside: pipes are asked with SPLICE_F_NONBLOCK, the others
 * are polled beforehand.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "io.h"
#include "sys.h"

/* A socket that polls writable takes so many bytes at once: a third of its buffer is free. */
#define SOME 4096

static long wait_for(struct thread *th, int fd, short events, long flags)
{
	long err;

	if (th->co.woke & WAKE_SIGNAL)
		return io_result(th, -ERESTARTSYS);
	if (!th->call.begun &&
	    ((flags & SPLICE_F_NONBLOCK && fd_kind(fd) == FD_PIPE) || fd_nonblocking(fd)))
		return io_result(th, -EAGAIN);
	th->call.begun = true;
	err = wait_fd(&th->co, fd, events);
	if (err)
		return io_result(th, err);
	th->co.parked_by = PARK_FD;
	return BLOCKED;
}

/* A pipe said EAGAIN: the one that has nothing, else the one that is full. */
static long wait_for_pipe(struct thread *th, int in, int out, long flags)
{
	if (fd_kind(in) == FD_PIPE && !io_ready(in, POLLIN))
		return wait_for(th, in, WAIT_READ, flags);
	return wait_for(th, out, WAIT_WRITE, flags);
}

/* Waits otherwise than a pipe: no flag of the call says that it must not. */
static bool waits_inside(int fd)
{
	enum fd_kind kind = fd_kind(fd);

	return kind == FD_SOCKET || kind == FD_STREAM || kind == FD_TTY;
}

long sys_splice(struct thread *th)
{
	int in = call_fd(th), out = (int)th->call.arg[2];
	bool file = fd_kind(in) == FD_FILE || fd_kind(out) == FD_FILE;
	long flags = th->call.arg[5], arg[6], n;

	if (co_alive() == 1 && !th->call.job)
		return sys_native(th);
	for (;;) {
		if (!th->call.job && waits_inside(in) && !io_ready(in, POLLIN))
			return wait_for(th, in, WAIT_READ, flags);
		if (!th->call.job && waits_inside(out) && !io_ready(out, POLLOUT))
			return wait_for(th, out, WAIT_WRITE, flags);
		memcpy(arg, th->call.arg, sizeof(arg));
		arg[0] = in;
		arg[4] -= (long)th->call.done;
		if (waits_inside(out) && (uint64_t)arg[4] > SOME)
			arg[4] = SOME;
		arg[5] |= SPLICE_F_NONBLOCK;
		n = file ? sys_job(th, true, __NR_splice, arg)
			 : raw6(__NR_splice, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
		if (n == BLOCKED)
			return n;
		if (n == -EAGAIN)
			return wait_for_pipe(th, in, out, flags);
		if (n == -EPIPE && file && !th->call.done)
			return socket_broken(th); /* the helper has kept the signal to itself */
		if (n <= 0)
			return io_result(th, n);
		th->call.done += (uint64_t)n;
		io_written(out);
		/* To a socket natively goes all that the pipe holds. */
		if (!waits_inside(out) || (long)th->call.done == th->call.arg[4] ||
		    !io_ready(in, POLLIN))
			return (long)th->call.done;
	}
}

long sys_tee(struct thread *th)
{
	int in = call_fd(th), out = (int)th->call.arg[1];
	long n = raw4(__NR_tee, in, out, th->call.arg[2], th->call.arg[3] | SPLICE_F_NONBLOCK);

	if (n == -EAGAIN)
		return wait_for_pipe(th, in, out, th->call.arg[3]);
	if (n > 0)
		io_written(out);
	return n;
}

long sys_vmsplice(struct thread *th)
{
	int fd = call_fd(th);
	long n = raw4(__NR_vmsplice, fd, th->call.arg[1], th->call.arg[2],
		      th->call.arg[3] | SPLICE_F_NONBLOCK);
	bool writes = (raw3(__NR_fcntl, fd, F_GETFL, 0) & O_ACCMODE) != O_RDONLY;

	if (n == -EAGAIN)
		return wait_for(th, fd, writes ? WAIT_WRITE : WAIT_READ, th->call.arg[3]);
	if (n > 0)
		io_written(fd);
	return n;
}
