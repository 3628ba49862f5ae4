/* SPDX-License-Identifier: MIT */
/* What epoll cannot wait for: files, locks and the queues of System V and POSIX. */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/socket.h>

#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "disk.h"
#include "fdtab.h"
#include "io.h"
#include "sys.h"
#include "usercopy.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif
#define SOME (64UL << 10) /* of a file at a time */

long sys_flock(struct thread *th)
{
	long op = th->call.arg[1], err;

	if (!th->call.job) {
		err = raw2(__NR_flock, th->call.arg[0], op | LOCK_NB);
		if (err != -EWOULDBLOCK || op & LOCK_NB)
			return err;
	}
	return sys_by_helper(th, false);
}

long sys_helper(struct thread *th)
{
	return sys_by_helper(th, false);
}

long sys_helper_bounded(struct thread *th)
{
	return sys_by_helper(th, true);
}

long sys_by_disk(struct thread *th)
{
	int fd = (int)th->call.arg[0];
	long n;

	if (!th->call.job &&
	    (co_alive() == 1 || fd_kind(fd) != FD_FILE || disk_of(fd) < DISK_LOCAL))
		return sys_native(th);
	n = sys_by_helper(th, disk_of(fd) != DISK_REMOTE);
	if (n == -EFBIG)
		file_exceeds_limit(th);
	return n;
}

/* Asks with IPC_NOWAIT first; a helper waits where that says that it would. */
static long by_nowait(struct thread *th, int arg, long would_block)
{
	long own = th->call.arg[arg], result;

	if (!th->call.job && !(own & IPC_NOWAIT)) {
		th->call.arg[arg] = own | IPC_NOWAIT;
		result = sys_native(th);
		th->call.arg[arg] = own;
		if (result != would_block)
			return result;
	}
	return own & IPC_NOWAIT ? sys_native(th) : sys_by_helper(th, false);
}

long sys_msgrcv(struct thread *th)
{
	return by_nowait(th, 4, -ENOMSG);
}

long sys_msgsnd(struct thread *th)
{
	return by_nowait(th, 3, -EAGAIN);
}

/* What can be had of the file without waiting for the disk, or -EAGAIN. */
static long cached(int in, char *buffer, uint64_t want, long from)
{
	struct iovec iov = {buffer, want};
	long n = -EOPNOTSUPP;

	if (!fd_no_nowait(in))
		n = raw6(__NR_preadv2, in, (long)&iov, 1, from, 0, RWF_NOWAIT);
	if (n != -EOPNOTSUPP)
		return n;
	fd_set_no_nowait(in);
	if (disk_of(in) >= DISK_LOCAL && co_alive() > 1)
		return -EAGAIN;
	return raw4(__NR_pread64, in, buffer, want, from);
}

/*
 * sendfile to a blocking socket waits inside, and no flag keeps it from that. The bytes take the
 * way through a buffer of ours instead, with sends that do not wait; a part that is not in memory
 * is sent by a helper.
 */
static long send_file(struct thread *th, int out, int in)
{
	static char buffer[SOME]; /* in use only while this function runs */
	uint64_t count = (uint64_t)th->call.arg[3];
	uint64_t at = (uint64_t)th->call.arg[2];
	long from = 0, n = 0;

	if (th->call.job) {
		n = sys_by_helper(th, false);
		if (n == BLOCKED)
			return n;
		if (n == -EPIPE && !th->call.done)
			return socket_broken(th);
		if (n <= 0)
			return io_result(th, n);
		th->call.done += (uint64_t)n;
	}
	if (at && user_get(from, at))
		return -EFAULT;
	if (!at)
		from = raw3(__NR_lseek, in, 0, SEEK_CUR);
	if (from < 0)
		return at ? -EINVAL : from;
	n = 0;
	while (th->call.done < count) {
		uint64_t want = count - th->call.done;

		want = want < sizeof(buffer) ? want : sizeof(buffer);
		n = cached(in, buffer, want, from);
		if (n == -EAGAIN) {
			long arg[6] = {out, in, (long)at, (long)want};

			n = sys_job(th, false, __NR_sendfile, arg);
			if (n != BLOCKED)
				return io_result(th, n == NOT_BEGUN ? -ERESTARTNOINTR : n);
			return n;
		}
		if (n > 0)
			n = raw6(__NR_sendto, out, (long)buffer, n, MSG_DONTWAIT | MSG_NOSIGNAL, 0,
				 0);
		if (n <= 0)
			break;
		th->call.done += (uint64_t)n;
		from += n;
		/* As it goes: another call may look at the position while this one waits. */
		if (at ? user_put(at, from) : raw_failed(raw3(__NR_lseek, in, from, SEEK_SET)))
			return -EFAULT;
	}
	if (n == -EAGAIN)
		return socket_wait(th, WAIT_WRITE);
	if (n == -EPIPE && !th->call.done)
		return socket_broken(th);
	return n < 0 ? io_result(th, n) : (long)th->call.done;
}

/* As much of it as a socket takes at once, by its first and its last byte. */
static bool seems_cached(struct thread *th, int in)
{
	uint64_t at = (uint64_t)th->call.arg[2], count = (uint64_t)th->call.arg[3];
	long from, n;
	char byte;

	if (co_alive() == 1 || !count)
		return true;
	if (at ? user_get(from, at) : (from = raw3(__NR_lseek, in, 0, SEEK_CUR)) < 0)
		return true;
	n = cached(in, &byte, 1, from);
	if (n == 1)
		n = cached(in, &byte, 1, from + (long)(count < SOME ? count : SOME) - 1);
	return n != -EAGAIN;
}

long sys_sendfile(struct thread *th)
{
	int out = call_fd(th), in = (int)th->call.arg[1];

	if (fd_kind(out) == FD_SOCKET && fd_kind(in) == FD_FILE) {
		if (!th->call.job && !th->call.begun && fd_nonblocking(out))
			return seems_cached(th, in) ? sys_native(th) : sys_by_helper(th, true);
		return send_file(th, out, in);
	}
	return sys_by_helper(th, fd_kind(out) == FD_FILE && fd_kind(in) == FD_FILE);
}
