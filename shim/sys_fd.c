/* SPDX-License-Identifier: MIT */
/* Descriptors as such: closing, duplicating, opening; what waits on them, and which are ours. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "io.h"
#include "sys.h"
#include "usercopy.h"

#define HIGH_FD 900

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
	fd = raw3(__NR_fcntl, th->call.arg[0], F_DUPFD_CLOEXEC, HIGH_FD);
	if (raw_failed(fd))
		fd = raw3(__NR_fcntl, th->call.arg[0], F_DUPFD_CLOEXEC, 0);
	th->call.held = raw_failed(fd) ? -1 : (int)fd;
}

static void leaves(int fd)
{
	fd_wake_waiters(fd, hold);
	fd_forget(fd);
	fd_gone(fd);
}

void fd_close_own(int fd)
{
	fd_forget(fd);
	fd_gone(fd);
	raw1(__NR_close, fd);
}

long sys_close(struct thread *th)
{
	int fd = (int)th->call.arg[0];

	if (fd_is_ours(fd))
		return -EBADF; /* it is not open, as far as the program can know */
	leaves(fd);
	return raw1(__NR_close, fd);
}

/* Piece by piece around our own. */
long sys_close_range(struct thread *th)
{
	unsigned first = (unsigned)th->call.arg[0], last = (unsigned)th->call.arg[1];
	unsigned flags = (unsigned)th->call.arg[2], from = first;
	long err;

	if (first > last || flags & ~(UNSHARE | CLOEXEC))
		return -EINVAL;
	for (unsigned fd = first; fd <= last && fd < fd_table_end(); fd++) {
		if (!fd_is_ours((int)fd)) {
			if (!(flags & CLOEXEC))
				leaves((int)fd);
			continue;
		}
		if (fd > from) {
			err = raw3(__NR_close_range, from, fd - 1, flags);
			if (err)
				return err;
		}
		from = fd + 1;
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

static long dup_to(struct thread *th)
{
	int from = (int)th->call.arg[0], to = (int)th->call.arg[1];
	long fd;

	if (fd_is_ours(to))
		return -EBADF;
	if (from != to && !raw_failed(raw3(__NR_fcntl, from, F_GETFD, 0)))
		leaves(to);
	fd = sys_native(th);
	if (fd >= 0 && from != to)
		fd_duplicated(to, from);
	return fd;
}

long sys_dup2(struct thread *th)
{
	return dup_to(th);
}

long sys_dup3(struct thread *th)
{
	return dup_to(th);
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

/* "/proc/self/task/TID/comm" of a thread that only we know: the thread, else NULL. */
static struct thread *comm_of(uint64_t path)
{
	static const char head[] = "/proc/self/task/", tail[] = "/comm";
	char c[sizeof(head) - 1];
	int tid = 0;

	if (user_copy(c, (void *)path, sizeof(c)) || memcmp(c, head, sizeof(c)))
		return NULL;
	for (path += sizeof(c); !user_get(c[0], path) && c[0] >= '0' && c[0] <= '9'; path++)
		tid = tid < (1 << 26) ? tid * 10 + c[0] - '0' : tid;
	if (tid == process_id || user_copy(c, (void *)path, sizeof(tail)) ||
	    memcmp(c, tail, sizeof(tail)))
		return NULL;
	return thread_by_tid(tid);
}

/* A file that holds the name; what is written to it is seen in sys_write. */
static long open_comm(const struct thread *of, int flags)
{
	long fd = raw2(__NR_memfd_create, "comm", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
	char line[17];
	uint64_t n = 0;

	if (raw_failed(fd))
		return fd;
	while (n < 15 && of->name[n]) {
		line[n] = of->name[n];
		n++;
	}
	line[n++] = '\n';
	raw4(__NR_pwrite64, fd, line, n, 0);
	fd_set_comm((int)fd, of->tid);
	return fd;
}

/* Opening a FIFO waits for the other end, and nothing but the open itself can wait for that. */
static long open_any(struct thread *th, int dir, uint64_t path, int flags)
{
	struct thread *of;
	struct stat st = {0};

	if (th->call.job)
		return sys_by_helper(th, false);
	of = comm_of(path);
	if (of)
		return open_comm(of, flags);
	if (co_alive() > 1 && !(flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) &&
	    (flags & O_ACCMODE) != O_RDWR && !raw4(__NR_newfstatat, dir, path, &st, 0) &&
	    S_ISFIFO(st.st_mode))
		return sys_by_helper(th, false);
	return sys_native(th);
}

long sys_open(struct thread *th)
{
	return open_any(th, AT_FDCWD, (uint64_t)th->call.arg[0], (int)th->call.arg[1]);
}

long sys_openat(struct thread *th)
{
	return open_any(th, (int)th->call.arg[0], (uint64_t)th->call.arg[1], (int)th->call.arg[2]);
}
