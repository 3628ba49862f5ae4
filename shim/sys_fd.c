/* SPDX-License-Identifier: MIT */
/* Descriptors as such: closing, duplicating, opening; what waits on them, and which are ours. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "disk.h"
#include "fdtab.h"
#include "io.h"
#include "sys.h"
#include "usercopy.h"

#define UNSHARE 2U /* linux/close_range.h */
#define CLOEXEC 4U

/*
 * Natively a call that waits keeps its file open, whatever becomes of the number. So does ours:
 * it goes on with a duplicate. poll and its kin name many files; they look again and find the
 * number closed.
 */
static void hold(struct coroutine *co)
{
	struct thread *th = thread_of(co);
	long fd;

	if (co->fd.next || sys_takes_fd_set(th->call.nr) || th->call.held >= 0)
		return;
	fd = fd_copy_high((int)th->call.arg[0]);
	if (raw_failed(fd))
		fd = raw3(__NR_fcntl, th->call.arg[0], F_DUPFD_CLOEXEC, 0);
	th->call.held = raw_failed(fd) ? -1 : (int)fd;
	fd_set_copied((int)th->call.arg[0]);
}

static void leaves(int fd)
{
	fd_wake_waiters(fd, hold);
	fd_forget(fd, !fd_alone(fd));
	fd_gone(fd);
}

void fd_close_own(int fd)
{
	fd_forget(fd, true);
	fd_gone(fd);
	raw1(__NR_close, fd);
}

static bool some_linger; /* SO_LINGER with a time was used, on whatever socket */

void fd_lingers(void)
{
	some_linger = true;
}

static bool waits_for_peer(int fd)
{
	struct linger l = {0, 0};
	socklen_t len = sizeof(l);

	return some_linger && fd_kind(fd) == FD_SOCKET &&
	       !raw5(__NR_getsockopt, fd, SOL_SOCKET, SO_LINGER, &l, &len) && l.l_onoff &&
	       l.l_linger;
}

/* A remote file is written back first, a socket with SO_LINGER waits until all is sent. */
static bool closes_slowly(int fd)
{
	return co_alive() > 1 && (fd_disk(fd) == DISK_REMOTE || waits_for_peer(fd));
}

static long close_by_helper(struct thread *th, int fd)
{
	static const struct linger off = {0, 0};
	const long arg[6] = {fd};
	long n = sys_job(th, false, __NR_close, arg);

	if (n == NOT_BEGUN) {
		/* A signal ends the waiting, not the closing. */
		raw5(__NR_setsockopt, fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
		n = raw1(__NR_close, fd);
	}
	if (n != BLOCKED)
		fd_gone(fd); /* what was learnt of it in between is old */
	return n;
}

long sys_close(struct thread *th)
{
	int fd = (int)th->call.arg[0];
	bool slow;

	if (th->call.job)
		return close_by_helper(th, fd);
	if (fd_is_ours(fd))
		return -EBADF; /* it is not open, as far as the program can know */
	slow = closes_slowly(fd);
	leaves(fd);
	return slow ? close_by_helper(th, fd) : raw1(__NR_close, fd);
}

/* Piece by piece around our own, and around those that take long: these one after another. */
long sys_close_range(struct thread *th)
{
	unsigned first = (unsigned)th->call.arg[0], last = (unsigned)th->call.arg[1];
	unsigned flags = (unsigned)th->call.arg[2], from = first;
	long err;

	if (first > last || flags & ~(UNSHARE | CLOEXEC))
		return -EINVAL;
	if (th->call.job) {
		if (close_by_helper(th, (int)th->call.done) == BLOCKED)
			return BLOCKED;
		from = (unsigned)th->call.done + 1;
	}
	for (unsigned fd = from; fd <= last && fd < fd_table_end(); fd++) {
		bool slow = !flags && closes_slowly((int)fd);

		if (!fd_is_ours((int)fd)) {
			if (!(flags & CLOEXEC))
				leaves((int)fd);
			if (!slow)
				continue;
		}
		if (fd > from) {
			err = raw3(__NR_close_range, from, fd - 1, flags);
			if (err)
				return err;
		}
		from = fd + 1;
		th->call.done = fd;
		if (slow && close_by_helper(th, (int)fd) == BLOCKED)
			return BLOCKED;
	}
	return from <= last ? raw3(__NR_close_range, from, last, flags) : 0;
}

long sys_dup(struct thread *th)
{
	long fd = sys_native(th);

	if (fd >= 0)
		fd_duplicated((int)fd, (int)th->call.arg[0]);
	return fd;
}

/* A copy keeps open what is replaced, so that a helper can close it. */
long sys_dup2(struct thread *th)
{
	int from = (int)th->call.arg[0], to = (int)th->call.arg[1];
	long fd, copy = -1;

	if (th->call.job)
		return close_by_helper(th, (int)th->call.place) == BLOCKED ? BLOCKED : to;
	if (fd_is_ours(to))
		return -EBADF;
	if (from != to && !raw_failed(raw3(__NR_fcntl, from, F_GETFD, 0))) {
		if (closes_slowly(to))
			copy = fd_copy_high(to);
		leaves(to);
	}
	fd = sys_native(th);
	if (fd >= 0 && from != to)
		fd_duplicated(to, from);
	if (copy < 0)
		return fd;
	if (fd != to) {
		raw1(__NR_close, copy);
		return fd;
	}
	th->call.place = (uint64_t)copy;
	return close_by_helper(th, (int)copy) == BLOCKED ? BLOCKED : to;
}

long sys_fcntl(struct thread *th)
{
	long cmd = th->call.arg[1], r;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return sys_dup(th);
	case F_SETFL:
		fd_settings_changed();
		return sys_native(th);
	case F_SETLKW:
	case F_OFD_SETLKW:
		if (!th->call.job) {
			r = raw3(__NR_fcntl, th->call.arg[0], cmd - 1, th->call.arg[2]);
			if (r != -EAGAIN && r != -EACCES)
				return r;
		}
		return sys_by_helper(th, false);
	default:
		return sys_native(th);
	}
}

/* FIONBIO is F_SETFL by another name. */
long sys_ioctl(struct thread *th)
{
	if ((uint32_t)th->call.arg[1] == FIONBIO)
		fd_settings_changed();
	return sys_native(th);
}

_Static_assert(F_SETLKW == F_SETLK + 1 && F_OFD_SETLKW == F_OFD_SETLK + 1, "fcntl.h");
