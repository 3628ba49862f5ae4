/* SPDX-License-Identifier: MIT */
/* What epoll cannot wait for: files, locks and the queues of System V and POSIX. */
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/socket.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "io.h"
#include "sys.h"
#include "usercopy.h"

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

/* These end by themselves, only late. */
long sys_fsync(struct thread *th)
{
	return sys_by_helper(th, true);
}

long sys_fdatasync(struct thread *th)
{
	return sys_by_helper(th, true);
}

long sys_sync(struct thread *th)
{
	return sys_by_helper(th, true);
}

long sys_syncfs(struct thread *th)
{
	return sys_by_helper(th, true);
}

long sys_msync(struct thread *th)
{
	return sys_by_helper(th, true);
}

long sys_fallocate(struct thread *th)
{
	return sys_by_helper(th, true);
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

long sys_semop(struct thread *th)
{
	return sys_by_helper(th, false);
}

long sys_semtimedop(struct thread *th)
{
	return sys_by_helper(th, false);
}

long sys_mq_timedsend(struct thread *th)
{
	return sys_by_helper(th, false);
}

long sys_mq_timedreceive(struct thread *th)
{
	return sys_by_helper(th, false);
}

long sys_io_getevents(struct thread *th)
{
	return sys_by_helper(th, false);
}

/*
 * sendfile to a blocking socket waits inside, and no flag keeps it from that. The bytes take the
 * way through a buffer of ours instead, with sends that do not wait.
 */
static long send_file(struct thread *th, int out, int in)
{
	static char buffer[64 << 10]; /* in use only while this function runs */
	uint64_t count = (uint64_t)th->call.arg[3];
	uint64_t at = (uint64_t)th->call.arg[2];
	long from = 0, n = 0;

	if (at && user_get(from, at))
		return -EFAULT;
	if (!at)
		from = raw3(__NR_lseek, in, 0, SEEK_CUR);
	if (from < 0)
		return at ? -EINVAL : from;
	while (th->call.done < count) {
		uint64_t want = count - th->call.done;

		n = raw4(__NR_pread64, in, buffer, want < sizeof(buffer) ? want : sizeof(buffer),
			 from);
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

long sys_sendfile(struct thread *th)
{
	int out = call_fd(th), in = (int)th->call.arg[1];

	if (th->call.job)
		return sys_by_helper(th, false);
	if (fd_kind(out) == FD_SOCKET && fd_kind(in) == FD_FILE)
		return fd_nonblocking(out) ? sys_native(th) : send_file(th, out, in);
	if (fd_kind(out) == FD_FILE && fd_kind(in) == FD_FILE)
		return sys_native(th);
	return sys_by_helper(th, false);
}

/* SPLICE_F_NONBLOCK is for the pipe of the two only; a helper may wait for either. */
long sys_splice(struct thread *th)
{
	struct pollfd p[2] = {{(int)th->call.arg[0], POLLIN, 0},
			      {(int)th->call.arg[2], POLLOUT, 0}};

	if (th->call.job)
		return sys_by_helper(th, false);
	/* From what is there into a pipe that has room: nothing waits. */
	if (fd_kind(p[1].fd) == FD_PIPE && raw3(__NR_poll, p, 2, 0) == 2 && p[0].revents & POLLIN &&
	    p[1].revents & POLLOUT && th->call.arg[4] <= 4096)
		return sys_native(th);
	return sys_by_helper(th, false);
}
