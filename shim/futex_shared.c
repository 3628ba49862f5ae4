/* SPDX-License-Identifier: MIT */
/*
 * Futex words that other processes can see. Their waiters wait in the kernel's queues, by helpers.
 * Two things the kernel does there by the ids in the words, and of our threads it knows none: it
 * tells the next owner of a robust lock that the last one was killed, and it manages the locks
 * with priority inheritance.
 */
#include <linux/futex.h>
#include <poll.h>

#include "../scheduler/raw.h"
#include "signals.h"
#include "sys.h"
#include "tid.h"
#include "usercopy.h"

#define MS            1000000UL
#define LOOK_AGAIN    (100 * MS) /* whether the owner lives */
#define PI_LEAST_WAIT (MS / 10)
#define PI_MOST_WAIT  (4 * MS)

/* libc has put down that it is about to take this one, and whatever it finds there is an owner. */
static bool is_robust(struct thread *th, uint64_t at)
{
	uint64_t head[3]; /* list, offset, list_op_pending */

	return th->robust_head && !user_get(head, th->robust_head) && head[2] &&
	       (head[2] & ~1UL) + head[1] == at;
}

bool process_gone(int pid)
{
	long fd = raw2(__NR_pidfd_open, pid, 0);
	struct pollfd p = {(int)fd, POLLIN, 0};
	bool gone;

	if (raw_failed(fd))
		return fd == -ESRCH;
	gone = raw3(__NR_poll, &p, 1, 0) == 1;
	raw1(__NR_close, fd);
	return gone;
}

static bool owner_lives(uint32_t word)
{
	int tid = (int)(word & FUTEX_TID_MASK), pid = tid_process(tid);

	if (pid == process_id)
		return thread_by_tid(tid);
	return !pid || !process_gone(pid);
}

static bool foreign_owner(uint32_t word)
{
	int pid = tid_process((int)(word & FUTEX_TID_MASK));

	return pid && pid != process_id;
}

long futex_wait_shared(struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[0];
	bool robust = is_robust(th, at), foreign = false;
	uint32_t word = 0, seen;
	long result;

	if (robust && !user_load32(&word, (void *)at) && (foreign = foreign_owner(word)) &&
	    !owner_lives(word)) {
		/* As handle_futex_death in kernel/futex/core.c; whoever is woken looks again. */
		seen = word;
		if (!user_cas32((void *)at, &seen, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED) &&
		    seen == word && word & FUTEX_WAITERS)
			raw3(__NR_futex, at, FUTEX_WAKE, 1);
	}
	result = sys_by_helper(th, false);
	if (result == BLOCKED && foreign &&
	    wait_until(&th->co, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + LOOK_AGAIN))
		return BLOCKED; /* no memory for a timer: the helper is all that it waits for */
	return result;
}

/* Tries to become the owner: 0, or why not. */
static long take(struct thread *th, void *at)
{
	uint32_t word, seen, tid = (uint32_t)th->tid, died;

	if (user_load32(&word, at))
		return -EFAULT;
	for (;;) {
		uint32_t owner = word & FUTEX_TID_MASK;

		died = word & FUTEX_OWNER_DIED;
		if (owner == tid)
			return -EDEADLK;
		if (owner && (owner < TID_FIRST ? !process_gone((int)owner) : owner_lives(word)))
			return -EAGAIN;
		if (owner) {
			/* exit_pi_state_list in kernel/futex/core.c: who waits already gets it. */
			if (!th->call.done && !is_robust(th, (uint64_t)at))
				return -ESRCH;
			died = FUTEX_OWNER_DIED;
		}
		seen = word;
		if (user_cas32(at, &seen, (word & FUTEX_WAITERS) | died | tid))
			return -EFAULT;
		if (seen == word)
			return 0;
		word = seen;
	}
}

/*
 * The kernel would look for the owner by its id, and wait on behalf of the thread that asks. So
 * whoever finds the lock taken tries again after a while, and never leaves FUTEX_WAITERS there:
 * then every owner, in whatever process, gives it back without the kernel.
 */
long futex_lock_pi_shared(struct thread *th, bool try)
{
	uint64_t now = time_now(th->call.timed ? th->call.clock : CLOCK_MONOTONIC), wait;
	long err;

	if (th->call.arg[0] & 3)
		return -EINVAL;
	err = take(th, (void *)th->call.arg[0]);
	if (err != -EAGAIN || try)
		return err;
	if (th->co.woke & WAKE_SIGNAL)
		return -ERESTARTNOINTR;
	if (th->call.timed && now >= th->call.deadline)
		return -ETIMEDOUT;
	wait = th->call.done ? th->call.done * 2 : PI_LEAST_WAIT;
	if (wait > PI_MOST_WAIT)
		wait = PI_MOST_WAIT;
	th->call.done = wait;
	if (th->call.timed && th->call.deadline - now < wait)
		wait = th->call.deadline - now;
	if (wait_until(&th->co, th->call.timed ? th->call.clock : CLOCK_MONOTONIC, now + wait))
		return -ENOMEM;
	th->co.parked_by = PARK_TIME;
	return BLOCKED;
}

/* Where the kernel knows of waiters, of other processes, they are waiting for the main thread. */
long futex_unlock_pi_shared(struct thread *th)
{
	void *at = (void *)th->call.arg[0];
	uint32_t word, seen;
	long err;

	if ((uint64_t)at & 3)
		return -EINVAL;
	if (user_load32(&word, at))
		return -EFAULT;
	if ((word & FUTEX_TID_MASK) != (uint32_t)th->tid)
		return -EPERM;
	if (th->tid == process_id) {
		err = raw2(__NR_futex, at, FUTEX_UNLOCK_PI);
		if (!err)
			return 0;
	}
	for (;; word = seen) {
		seen = word;
		if (user_cas32(at, &seen, 0))
			return -EFAULT;
		if (seen == word)
			return 0;
	}
}
