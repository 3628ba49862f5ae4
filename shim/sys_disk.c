/* SPDX-License-Identifier: MIT */
/*
 * Regular files and block devices. What is in memory is read without waiting; what is not, and a
 * write that ends on the disk, is a helper's business. Who reads or writes at the file's position
 * moves that on first: the kernel locks it for as long as a call takes, and the helper's takes
 * long.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/resource.h>

#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "disk.h"
#include "fdtab.h"
#include "io.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

/*
 * A write to the page cache is short work as long as there are few dirty pages. Who writes this
 * much makes the kernel wait for the disk sooner or later (balance_dirty_pages), and a helper
 * costs little beside the copying.
 */
#define LARGE_WRITE (256UL << 10)

/* Else it is a vector, in the program's memory. */
static bool one_buffer(const struct thread *th)
{
	long nr = th->call.nr;

	return nr == __NR_read || nr == __NR_pread64 || nr == __NR_write || nr == __NR_pwrite64;
}

static bool has(int fd, enum fd_fact fact, long against)
{
	long flags;

	if (fd_known(fd, fact))
		return true;
	flags = raw3(__NR_fcntl, fd, F_GETFL, 0);
	if (raw_failed(flags) || flags & against)
		return false;
	fd_set_known(fd, fact);
	return true;
}

/* It can say EAGAIN instead of waiting. With O_DIRECT it waits all the same. */
static bool can_try(int fd)
{
	return !fd_no_nowait(fd) && has(fd, FD_CACHED, O_DIRECT);
}

/* Claims `len` bytes at the file's position. */
static long claim(struct thread *th, uint64_t len)
{
	long at = raw3(__NR_lseek, call_fd(th), 0, SEEK_CUR);

	if (at >= 0)
		raw3(__NR_lseek, call_fd(th), at + (long)len, SEEK_SET);
	return at;
}

/* Less was moved than claimed: the rest is given back, unless somebody has gone on from there. */
static void settle(struct thread *th, long n)
{
	uint64_t end = th->call.place + th->call.piece, moved = n > 0 ? (uint64_t)n : 0;

	if (moved < th->call.piece && raw3(__NR_lseek, call_fd(th), 0, SEEK_CUR) == (long)end)
		raw3(__NR_lseek, call_fd(th), th->call.place + moved, SEEK_SET);
}

/* The next piece of a read by a helper, or what has become of it. */
static long read_piece(struct thread *th, const struct iovec *iov, long place)
{
	long arg[6] = {call_fd(th), (long)iov->iov_base, (long)iov->iov_len}, n;

	if (!th->call.job) {
		th->call.piece = iov->iov_len;
		arg[3] = place == AT_POSITION ? claim(th, iov->iov_len)
					      : place + (long)th->call.done;
		if (arg[3] < 0)
			return arg[3];
		th->call.place = (uint64_t)arg[3];
	}
	/* A remote one may never answer: it does not stand in the way of the others. */
	n = sys_job(th, disk_of(call_fd(th)) != DISK_REMOTE, __NR_pread64, arg);
	if (n != BLOCKED && place == AT_POSITION)
		settle(th, n);
	return n;
}

/* As far as the page cache goes; 0 at the end of the file. */
static long read_cached(struct thread *th, const struct iovec *iov, long count, long place)
{
	long n = raw6(__NR_preadv2, call_fd(th), (long)iov, count,
		      place == AT_POSITION ? -1 : place + (long)th->call.done, 0, RWF_NOWAIT);

	if (n == -EOPNOTSUPP)
		fd_set_no_nowait(call_fd(th));
	return n == -EOPNOTSUPP ? -EAGAIN : n;
}

/* What an interrupted piece means for the whole. */
static long interrupted(struct thread *th, long n)
{
	return io_result(th, n == NOT_BEGUN ? -ERESTARTNOINTR : -ERESTARTSYS);
}

static long read_slowly(struct thread *th, uint64_t vec, uint64_t count, long place)
{
	struct iovec iov[IOV_MAX];
	long left, n;

	for (;;) {
		left = io_vector(th, iov, vec, count);
		if (left < 0)
			return io_result(th, left);
		if (!io_length(iov, left))
			return (long)th->call.done;
		n = -EAGAIN;
		if (!th->call.job && can_try(call_fd(th)))
			n = read_cached(th, iov, left, place);
		if (n == -EAGAIN) {
			n = read_piece(th, iov, place);
			if (n == BLOCKED)
				return n;
			if (n == NOT_BEGUN && th->call.done)
				continue; /* nothing ends a read of a file half-way */
			if (n == NOT_BEGUN || n == -EINTR)
				return interrupted(th, n);
			if (n >= 0 && (uint64_t)n < th->call.piece)
				return (long)th->call.done + n;
		}
		if (n <= 0)
			return io_result(th, n);
		th->call.done += (uint64_t)n;
	}
}

long file_read(struct thread *th, uint64_t vec, uint64_t count, long place)
{
	int fd = call_fd(th);
	struct pollfd p = {fd, POLLIN, 0};
	long n;

	if (th->call.job && th->call.begun)
		return sys_by_helper(th, false);
	if (th->call.job || th->call.done)
		return read_slowly(th, vec, count, place);
	if (co_alive() == 1)
		return sys_native(th);
	/* The usual case, one call: all of it is in memory. */
	if (can_try(fd)) {
		n = read_cached(th, (const struct iovec *)vec, (long)count, place);
		if ((n <= 0 && n != -EAGAIN) || (one_buffer(th) && n == th->call.arg[2]))
			return n;
		th->call.done = n > 0 ? (uint64_t)n : 0;
	}
	if (fd_no_nowait(fd)) {
		enum disk disk = disk_of(fd);

		if (disk == DISK_MEMORY || (disk == DISK_MADE && raw3(__NR_poll, &p, 1, 0)))
			return sys_native(th);
		/* The kernel has nothing to say yet: /proc/kmsg. */
		th->call.begun = disk == DISK_MADE;
		if (th->call.begun)
			return sys_by_helper(th, false);
	}
	return read_slowly(th, vec, count, place);
}

/* The helper has all signals blocked; natively this one is the writer's. */
void file_exceeds_limit(struct thread *th)
{
	siginfo_t info = {.si_signo = SIGXFSZ, .si_code = SI_USER};
	struct rlimit limit = {0, 0};

	if (raw4(__NR_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return;
	info.si_pid = process_id;
	info.si_uid = (uid_t)raw0(__NR_getuid);
	if (signal_action[SIGXFSZ].handler == (uint64_t)SIG_DFL)
		sigreal_catch(SIGBIT(SIGXFSZ));
	signal_post(th, &info, false);
}

/* Does it end in memory, and soon? */
static bool writes_at_once(struct thread *th, uint64_t vec, uint64_t count)
{
	struct iovec iov[IOV_MAX];
	int fd = call_fd(th);
	long n;

	if (co_alive() == 1)
		return true;
	if (disk_of(fd) == DISK_MEMORY || disk_of(fd) == DISK_MADE)
		return true;
	if (disk_of(fd) == DISK_REMOTE || !has(fd, FD_BUFFERED, O_DIRECT | O_SYNC | O_DSYNC))
		return false;
	if (one_buffer(th))
		return (uint64_t)th->call.arg[2] < LARGE_WRITE;
	n = io_vector(th, iov, vec, count);
	return n < 0 || io_length(iov, n) < LARGE_WRITE;
}

/*
 * The call that the helper makes: the same at a place of its own. A file that is appended to
 * needs none, and has its position at the end afterwards.
 */
static long place_write(struct thread *th, uint64_t vec, uint64_t count, long place, long arg[6])
{
	bool one = one_buffer(th);
	struct iovec iov[IOV_MAX];
	long n;

	arg[0] = call_fd(th);
	arg[1] = th->call.arg[1];
	arg[2] = th->call.arg[2];
	arg[3] = place;
	if (place == AT_POSITION && !th->call.job) {
		long flags = raw3(__NR_fcntl, arg[0], F_GETFL, 0);

		n = one ? 1 : io_vector(th, iov, vec, count);
		if (n < 0)
			return n;
		th->call.begun = !raw_failed(flags) && flags & O_APPEND;
		th->call.piece = one ? (uint64_t)arg[2] : io_length(iov, n);
		arg[3] = th->call.begun ? 0 : claim(th, th->call.piece);
		if (arg[3] < 0)
			return arg[3];
		th->call.place = (uint64_t)arg[3];
	}
	return one ? __NR_pwrite64 : __NR_pwritev;
}

long file_write(struct thread *th, uint64_t vec, uint64_t count, long place)
{
	long arg[6] = {0}, nr, n;

	if (!th->call.job && writes_at_once(th, vec, count))
		return sys_native(th);
	nr = place_write(th, vec, count, place, arg);
	if (nr < 0)
		return nr;
	n = sys_job(th, disk_of(call_fd(th)) != DISK_REMOTE, nr, arg);
	if (n == BLOCKED)
		return n;
	if (place == AT_POSITION && !th->call.begun)
		settle(th, n);
	else if (place == AT_POSITION && n > 0)
		raw3(__NR_lseek, arg[0], 0, SEEK_END);
	if (n == -EFBIG)
		file_exceeds_limit(th);
	return n == NOT_BEGUN || n == -EINTR ? interrupted(th, n) : n;
}
