/* SPDX-License-Identifier: MIT */
/* Readiness: poll, select and epoll_wait look without waiting, wait for the files, look again. */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "fdtab.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

#define NS         1000000000UL
#define SET_FDS    65536
#define SET_WORDS  (SET_FDS / 64)
#define WRITE_SIDE (POLLOUT | POLLWRNORM | POLLWRBAND)

bool sys_takes_fd_set(long nr)
{
	return nr == __NR_poll || nr == __NR_ppoll || nr == __NR_select || nr == __NR_pselect6;
}

/*
 * Epoll instances stand in one another up to a depth, and ours, in which they would have to
 * stand, is one more. -ELOOP: this one cannot. The kernel is asked beforehand, since libev takes
 * its answer for a fault of its own.
 */
static long try_depth(int fd)
{
	struct epoll_event none = {0};
	int own = this_carrier()->epoll_fd;
	long err;

	if (!fd_is_epoll(fd) || fd_watchable(fd) || own < 0)
		return 0;
	err = raw4(__NR_epoll_ctl, own, EPOLL_CTL_ADD, fd, &none);
	if (err == -ELOOP)
		return err;
	if (!err)
		raw4(__NR_epoll_ctl, own, EPOLL_CTL_DEL, fd, &none);
	fd_set_watchable(fd);
	return 0;
}

/* The whole call is a helper's then. The mask has taken effect here. */
static long wait_deep(struct thread *th)
{
	fd_wait_cancel(&th->co);
	if (th->call.nr == __NR_ppoll)
		th->call.arg[3] = 0;
	else if (th->call.nr == __NR_pselect6)
		th->call.arg[5] = 0;
	else if (th->call.nr == __NR_epoll_pwait || th->call.nr == __NR_epoll_pwait2)
		th->call.arg[4] = 0;
	return sys_by_helper(th, false);
}

/*
 * libev knows two sides, and reports an error or a hang-up as both. All else comes as something
 * to read; who did not ask for that looks in vain, once, and is not told of it again.
 */
static long wait_one(struct thread *th, int fd, unsigned events)
{
	short sides = (events & WRITE_SIDE ? WAIT_WRITE : 0);

	if (events & ~WRITE_SIDE || !sides)
		sides |= WAIT_READ;
	return try_depth(fd) ? -ELOOP : wait_fd(&th->co, fd, sides);
}

/* Nothing is ready. Why the wait has ended, or BLOCKED once `arm` has seen to all descriptors. */
static long wait_ready(struct thread *th, bool for_ever, uint64_t timeout,
		       long (*arm)(struct thread *th))
{
	long err;

	if (!for_ever)
		call_timeout(th, timeout);
	if (th->co.woke & WAKE_TIMEOUT || (!for_ever && !timeout))
		return 0;
	/* signal_next: the mask of the call lets something through that was pending. */
	if (th->co.woke & WAKE_SIGNAL || signal_next(th))
		return -ERESTARTNOHAND;
	err = arm(th);
	if (err == -ELOOP)
		return wait_deep(th);
	if (!err)
		err = call_wait_deadline(th);
	if (err)
		return err;
	th->call.begun = true;
	th->co.parked_by = th->co.fd.fd >= 0 ? PARK_FD : PARK_TIME;
	return BLOCKED;
}

/* The mask that holds while the call waits, put back by sys_finish. */
static long take_mask(struct thread *th, uint64_t from, uint64_t size)
{
	uint64_t mask;

	if (!from || th->call.mask_saved)
		return 0;
	if (size != 8)
		return -EINVAL;
	if (user_get(mask, from))
		return -EFAULT;
	th->call.mask = th->mask;
	th->call.mask_saved = true;
	signal_set_mask(th, mask);
	return 0;
}

/* A timeout that the program gave as struct timespec: nanoseconds in `ns`. */
static long take_timespec(uint64_t from, bool *for_ever, uint64_t *ns)
{
	struct timespec ts;

	*for_ever = !from;
	if (!from)
		return 0;
	if (user_get(ts, from))
		return -EFAULT;
	if (ts.tv_sec < 0 || (unsigned long)ts.tv_nsec >= NS)
		return -EINVAL;
	*ns = time_to_ns(&ts);
	return 0;
}

static uint64_t remaining(const struct thread *th)
{
	uint64_t now = th->call.timed ? time_now(th->call.clock) : 0;

	return th->call.timed && th->call.deadline > now ? th->call.deadline - now : 0;
}

/* select and ppoll tell what is left of the time; a bad pointer there changes nothing else. */
static void put_timespec(const struct thread *th, uint64_t to)
{
	uint64_t ns = remaining(th);
	struct timespec ts = {(time_t)(ns / NS), (long)(ns % NS)};

	if (to && th->call.timed && user_put(to, ts))
		return;
}

static long arm_poll(struct thread *th)
{
	struct pollfd p;

	for (uint64_t i = 0; i < (uint64_t)th->call.arg[1]; i++) {
		long err;

		if (user_get(p, th->call.arg[0] + (long)(i * sizeof(p))))
			return -EFAULT;
		err = p.fd < 0 ? 0 : wait_one(th, p.fd, (unsigned short)p.events);
		if (err)
			return err;
	}
	return 0;
}

static long poll_any(struct thread *th, bool for_ever, uint64_t ns)
{
	long n;

	if (th->call.job)
		return sys_by_helper(th, false);
	n = raw3(__NR_poll, th->call.arg[0], th->call.arg[1], 0);

	return n ? n : wait_ready(th, for_ever, ns, arm_poll);
}

long sys_poll(struct thread *th)
{
	int ms = (int)th->call.arg[2];

	return poll_any(th, ms < 0, ms < 0 ? 0 : (uint64_t)ms * 1000000);
}

long sys_ppoll(struct thread *th)
{
	bool for_ever = false;
	uint64_t ns = 0;
	long err = th->call.timed ? 0 : take_timespec((uint64_t)th->call.arg[2], &for_ever, &ns);

	if (!err)
		err = take_mask(th, (uint64_t)th->call.arg[3], (uint64_t)th->call.arg[4]);
	if (err)
		return err;
	/* Once `timed` the deadline counts, and any time that is not 0 will do. */
	err = poll_any(th, for_ever, th->call.timed ? 1 : ns);
	if (err != BLOCKED)
		put_timespec(th, (uint64_t)th->call.arg[2]);
	return err;
}

static uint64_t set_bytes(const struct thread *th)
{
	uint64_t n = (uint64_t)th->call.arg[0] < SET_FDS ? (uint64_t)th->call.arg[0] : SET_FDS;

	return (n + 63) / 64 * 8;
}

static long arm_select(struct thread *th)
{
	static const unsigned events[3] = {POLLIN, POLLOUT, POLLPRI};
	uint64_t bytes = set_bytes(th), word;

	for (int s = 0; s < 3; s++) {
		uint64_t set = (uint64_t)th->call.arg[1 + s];

		for (uint64_t at = 0; set && at < bytes; at += 8) {
			if (user_get(word, set + at))
				return -EFAULT;
			for (; word; word &= word - 1) {
				uint64_t fd = at * 8 + (uint64_t)__builtin_ctzl(word);
				long err;

				if (fd >= (uint64_t)th->call.arg[0])
					break;
				err = wait_one(th, (int)fd, events[s]);
				if (err)
					return err;
			}
		}
	}
	return 0;
}

static long select_any(struct thread *th, bool for_ever, uint64_t ns)
{
	uint64_t set[3][SET_WORDS], bytes = set_bytes(th);
	struct timespec none = {0, 0};
	long n;

	if (th->call.job)
		return sys_by_helper(th, false);
	if ((int)th->call.arg[0] < 0)
		return -EINVAL;
	for (int s = 0; s < 3; s++)
		if (th->call.arg[1 + s] && user_copy(set[s], (void *)th->call.arg[1 + s], bytes))
			return -EFAULT;
	n = raw6(__NR_pselect6, th->call.arg[0] < SET_FDS ? th->call.arg[0] : SET_FDS,
		 th->call.arg[1] ? (long)set[0] : 0, th->call.arg[2] ? (long)set[1] : 0,
		 th->call.arg[3] ? (long)set[2] : 0, (long)&none, 0);
	if (!n)
		n = wait_ready(th, for_ever, ns, arm_select);
	if (n < 0)
		return n;
	for (int s = 0; s < 3; s++)
		if (th->call.arg[1 + s] && user_copy((void *)th->call.arg[1 + s], set[s], bytes))
			return -EFAULT;
	return n;
}

long sys_select(struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[4], ns = 1;
	struct timeval tv;
	long n;

	if (at && !th->call.timed) {
		if (user_get(tv, at))
			return -EFAULT;
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -EINVAL;
		ns = time_to_ns(&(struct timespec){tv.tv_sec + tv.tv_usec / 1000000,
						   tv.tv_usec % 1000000 * 1000});
	}
	n = select_any(th, !at, ns);
	if (n != BLOCKED && at && th->call.timed) {
		ns = remaining(th);
		tv = (struct timeval){(time_t)(ns / NS), (suseconds_t)(ns % NS / 1000)};
		if (user_put(at, tv))
			return n;
	}
	return n;
}

long sys_pselect6(struct thread *th)
{
	bool for_ever = false;
	uint64_t ns = 0, mask[2] = {0, 0};
	long n = th->call.timed ? 0 : take_timespec((uint64_t)th->call.arg[4], &for_ever, &ns);

	if (!n && th->call.arg[5] && user_get(mask, th->call.arg[5]))
		n = -EFAULT;
	if (!n)
		n = take_mask(th, mask[0], mask[1]);
	if (n)
		return n;
	n = select_any(th, for_ever, th->call.timed ? 1 : ns);
	if (n != BLOCKED)
		put_timespec(th, (uint64_t)th->call.arg[4]);
	return n;
}

static long arm_epoll(struct thread *th)
{
	int fd = th->call.held >= 0 ? th->call.held : (int)th->call.arg[0];
	long err = try_depth(fd);

	return err ? err : wait_fd(&th->co, fd, WAIT_READ);
}

static long epoll_any(struct thread *th, bool for_ever, uint64_t ns)
{
	long n;

	if (th->call.job)
		return sys_by_helper(th, false);
	n = raw4(__NR_epoll_wait, th->call.held >= 0 ? th->call.held : th->call.arg[0],
		 th->call.arg[1], th->call.arg[2], 0);

	return n ? n : wait_ready(th, for_ever, ns, arm_epoll);
}

long sys_epoll_wait(struct thread *th)
{
	int ms = (int)th->call.arg[3];

	return epoll_any(th, ms < 0, ms < 0 ? 0 : (uint64_t)ms * 1000000);
}

long sys_epoll_pwait(struct thread *th)
{
	long err = take_mask(th, (uint64_t)th->call.arg[4], (uint64_t)th->call.arg[5]);

	return err ? err : sys_epoll_wait(th);
}

long sys_epoll_pwait2(struct thread *th)
{
	bool for_ever = false;
	uint64_t ns = 0;
	long err = th->call.timed ? 0 : take_timespec((uint64_t)th->call.arg[3], &for_ever, &ns);

	if (!err)
		err = take_mask(th, (uint64_t)th->call.arg[4], (uint64_t)th->call.arg[5]);
	return err ? err : epoll_any(th, for_ever, th->call.timed ? 1 : ns);
}

long sys_epoll_create(struct thread *th)
{
	long fd = sys_native(th);

	if (fd >= 0) {
		fd_born((int)fd);
		fd_set_epoll((int)fd);
	}
	return fd;
}

static void nothing(struct coroutine *co)
{
	(void)co;
}

/*
 * Whether an instance in which others are put, or one above it, can still be watched is asked
 * anew. While one of them is, there may be no level left for the program.
 */
long sys_epoll_ctl(struct thread *th)
{
	long err = sys_native(th);

	if (th->call.arg[1] != EPOLL_CTL_ADD || !fd_is_epoll((int)th->call.arg[2]))
		return err;
	for (unsigned fd = 0; fd < fd_table_end(); fd++) {
		if (!fd_is_epoll((int)fd))
			continue;
		fd_wake_waiters((int)fd, nothing);
		fd_forget((int)fd, true);
	}
	fd_nested();
	return err == -ELOOP ? sys_native(th) : err;
}
