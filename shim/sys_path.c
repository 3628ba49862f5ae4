/* SPDX-License-Identifier: MIT */
/*
 * Calls that name a file by its path. Looking it up may mean to read directories, and to ask a
 * remote file system may mean to wait for ever. The kernel can be told to look only at what it
 * has in memory (RESOLVE_CACHED, Linux 5.12): that is done first.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../scheduler/raw.h"
#include "disk.h"
#include "fdtab.h"
#include "sys.h"
#include "usercopy.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

enum way {
	WAY_NATIVE, /* all that it takes is in memory, as far as anybody can tell */
	WAY_ABSENT, /* the same: there is no such file */
	WAY_FIFO,
	WAY_HELPER,
};

/* Before Linux 5.12: only what is certain to wait is found out. */
static enum way fifo_or_not(int dir, uint64_t path, bool follow)
{
	struct stat st = {0};
	long err = raw4(__NR_newfstatat, dir, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW);

	if (err)
		return err == -ENOENT ? WAY_ABSENT : WAY_NATIVE;
	return S_ISFIFO(st.st_mode) ? WAY_FIFO : WAY_NATIVE;
}

static enum way look(int dir, uint64_t path, bool follow)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
		.resolve = RESOLVE_CACHED,
	};
	struct statx st = {0};
	long fd, err;

	if (co_alive() == 1)
		return WAY_NATIVE;
	fd = raw4(__NR_openat2, dir, path, &how, sizeof(how));
	switch (fd) {
	case -EAGAIN:
		return WAY_HELPER;
	case -ENOENT:
		return WAY_ABSENT;
	case -EINVAL:
	case -ENOSYS:
	case -EPERM:
		return fifo_or_not(dir, path, follow);
	}
	if (raw_failed(fd))
		return WAY_NATIVE; /* it fails the same way */
	err = raw5(__NR_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st);
	raw1(__NR_close, fd);
	if (err)
		return WAY_NATIVE;
	if (disk_remote(st.stx_dev_major, st.stx_dev_minor))
		return WAY_HELPER;
	return S_ISFIFO(st.stx_mode) ? WAY_FIFO : WAY_NATIVE;
}

/* No bound: who can tell whether it is a remote one that answers? */
static long by_look(struct thread *th, int dir, uint64_t path, bool follow)
{
	if (th->call.job)
		return sys_by_helper(th, false);
	return look(dir, path, follow) == WAY_HELPER ? sys_by_helper(th, false) : sys_native(th);
}

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

static long opened(long fd)
{
	if (fd >= 0)
		fd_born((int)fd);
	return fd;
}

/* Its close will want to know whether it is a remote one. */
static long opened_slowly(long fd)
{
	if (opened(fd) >= 0 && fd_kind((int)fd) == FD_FILE)
		disk_of((int)fd);
	return fd;
}

/*
 * Opening a FIFO waits for the other end, and nothing but the open itself can wait for that. A
 * new file means writing to the disk, and so does cutting one off.
 */
static long open_any(struct thread *th, int dir, uint64_t path, int flags)
{
	struct thread *of;

	if (th->call.job)
		return opened_slowly(sys_by_helper(th, false));
	of = comm_of(path);
	if (of)
		return open_comm(of, flags);
	if (flags & O_PATH || co_alive() == 1)
		return opened(sys_native(th));
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return opened_slowly(sys_by_helper(th, true));
	switch (look(dir, path, !(flags & O_NOFOLLOW))) {
	case WAY_FIFO:
		if (flags & (O_NONBLOCK | O_DIRECTORY) || (flags & O_ACCMODE) == O_RDWR)
			return opened(sys_native(th));
		break;
	case WAY_NATIVE:
		if (!(flags & O_TRUNC))
			return opened(sys_native(th));
		break;
	case WAY_ABSENT:
		if (!(flags & O_CREAT))
			return sys_native(th);
		break;
	case WAY_HELPER:
		break;
	}
	return opened_slowly(sys_by_helper(th, false));
}

long sys_open(struct thread *th)
{
	return open_any(th, AT_FDCWD, (uint64_t)th->call.arg[0], (int)th->call.arg[1]);
}

long sys_creat(struct thread *th)
{
	return open_any(th, AT_FDCWD, (uint64_t)th->call.arg[0], O_CREAT | O_WRONLY | O_TRUNC);
}

long sys_openat(struct thread *th)
{
	return open_any(th, (int)th->call.arg[0], (uint64_t)th->call.arg[1], (int)th->call.arg[2]);
}

long sys_openat2(struct thread *th)
{
	struct open_how how;

	if (user_get(how, th->call.arg[2]) || (uint64_t)th->call.arg[3] != sizeof(how) ||
	    how.resolve & RESOLVE_CACHED)
		return opened(sys_native(th));
	return open_any(th, (int)th->call.arg[0], (uint64_t)th->call.arg[1], (int)how.flags);
}

/* Of an open file: only a remote one has to be asked. */
static long by_file(struct thread *th)
{
	int fd = (int)th->call.arg[0];

	if (!th->call.job &&
	    (co_alive() == 1 || fd_kind(fd) != FD_FILE || disk_of(fd) != DISK_REMOTE))
		return sys_native(th);
	return sys_by_helper(th, false);
}

long sys_fstat(struct thread *th)
{
	return by_file(th);
}

/* libc's fstat is this one, with an empty path. */
static long stat_at(struct thread *th, int flags)
{
	char first;

	if (flags & AT_EMPTY_PATH && !user_get(first, th->call.arg[1]) && !first)
		return by_file(th);
	return by_look(th, (int)th->call.arg[0], (uint64_t)th->call.arg[1],
		       !(flags & AT_SYMLINK_NOFOLLOW));
}

long sys_newfstatat(struct thread *th)
{
	return stat_at(th, (int)th->call.arg[3]);
}

long sys_statx(struct thread *th)
{
	return stat_at(th, (int)th->call.arg[2]);
}

long sys_faccessat(struct thread *th)
{
	return stat_at(th, 0);
}

long sys_readlinkat(struct thread *th)
{
	return stat_at(th, AT_SYMLINK_NOFOLLOW);
}

long sys_stat(struct thread *th)
{
	return by_look(th, AT_FDCWD, (uint64_t)th->call.arg[0], true);
}

long sys_lstat(struct thread *th)
{
	return by_look(th, AT_FDCWD, (uint64_t)th->call.arg[0], false);
}
