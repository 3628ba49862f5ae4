/* SPDX-License-Identifier: MIT */
/*
 * futex: what every lock, condition variable, barrier, semaphore and join comes down to. Words
 * in private memory are ours alone, their waiters wait in queues of the scheduler. Words that
 * other processes can see are the kernel's: helpers wait there.
 */
#include <linux/futex.h>

#include "../scheduler/raw.h"
#include "memory.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

#define NS        1000000000UL
#define MATCH_ALL FUTEX_BITSET_MATCH_ANY
#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13 /* Linux 5.14 */
#endif

bool futex_mirror;

/*
 * glibc's join and some others leave FUTEX_PRIVATE_FLAG out on memory that is private all the
 * same: the memory decides.
 */
static bool is_shared(const struct thread *th)
{
	return !(th->call.arg[1] & FUTEX_PRIVATE_FLAG) && memory_shared((uint64_t)th->call.arg[0]);
}

void futex_wake_address(uint64_t address, unsigned n)
{
	unsigned woken = waitq_wake(address, n, MATCH_ALL);

	if (woken < n && memory_shared(address))
		raw3(__NR_futex, address, FUTEX_WAKE, n - woken);
}

/* Arms the call's timeout. `absolute` with FUTEX_CLOCK_REALTIME or without. */
static long arm_timeout(struct thread *th, bool absolute)
{
	struct timespec ts;
	uint64_t ns;

	if (!th->call.arg[3])
		return 0;
	if (!th->call.timed) {
		if (user_get(ts, th->call.arg[3]))
			return -EFAULT;
		if (ts.tv_sec < 0 || (unsigned long)ts.tv_nsec >= NS)
			return -EINVAL;
		ns = time_to_ns(&ts);
		if (absolute) {
			th->call.clock = th->call.arg[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME
										: CLOCK_MONOTONIC;
			th->call.deadline = ns;
			th->call.timed = true;
		} else {
			call_timeout(th, ns);
		}
	}
	return 0;
}

static long wait(struct thread *th, uint32_t bits, bool absolute)
{
	uint64_t at = (uint64_t)th->call.arg[0];
	uint32_t word;
	long err;

	if (th->co.woke & WAKE_EVENT)
		return 0;
	if (th->co.woke & WAKE_TIMEOUT)
		return -ETIMEDOUT;
	/* With a timeout the kernel restarts only where no handler has run. */
	if (th->co.woke & WAKE_SIGNAL)
		return th->call.timed ? -ERESTARTNOHAND : -ERESTARTSYS;
	if (!bits || at & 3)
		return -EINVAL;
	err = th->call.arg[3] ? arm_timeout(th, absolute) : 0;
	if (err)
		return err;
	/*
	 * Each time, as the kernel does: a signal that somebody else took has had this one out of
	 * the queue for a while, and a wake may have gone by.
	 */
	if (user_load32(&word, (void *)at))
		return -EFAULT;
	if (word != (uint32_t)th->call.arg[2])
		return -EAGAIN;
	if (th->call.timed && call_wait_deadline(th))
		return -ENOMEM;
	wait_queue(&th->co, at, bits);
	th->co.parked_by = PARK_QUEUE;
	th->co.regs.ax = 0;
	th->co.event_ends = true;
	return BLOCKED;
}

static long requeue(struct thread *th, bool compare)
{
	uint64_t from = (uint64_t)th->call.arg[0], to = (uint64_t)th->call.arg[4];
	int wake = (int)th->call.arg[2], move = (int)th->call.arg[3];
	uint32_t word;
	unsigned woken;

	if (wake < 0 || move < 0 || from & 3 || to & 3)
		return -EINVAL;
	if (user_load32(&word, (void *)from))
		return -EFAULT;
	if (compare && word != (uint32_t)th->call.arg[5])
		return -EAGAIN;
	woken = waitq_wake(from, (unsigned)wake, MATCH_ALL);
	return woken + waitq_requeue(from, to, (unsigned)move);
}

/* The kernel counts after it has woken one: asked for none or fewer it wakes one (futex_wake). */
static unsigned wake(uint64_t at, int n, uint32_t bits)
{
	unsigned max = n > 0 ? (unsigned)n : 1, woken = waitq_wake(at, max, bits);

	if (futex_mirror && woken < max)
		woken += (unsigned)raw6(__NR_futex, at, FUTEX_WAKE_BITSET | FUTEX_PRIVATE_FLAG,
					max - woken, 0, 0, bits);
	return woken;
}

long futex_wake(uint64_t at, int n)
{
	return at & 3 ? -EINVAL : (long)wake(at, n, MATCH_ALL);
}

static bool compare(uint32_t op, uint32_t old, uint32_t arg)
{
	switch (op) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return (int)old < (int)arg;
	case FUTEX_OP_CMP_GE:
		return (int)old >= (int)arg;
	case FUTEX_OP_CMP_LE:
		return (int)old <= (int)arg;
	default:
		return (int)old > (int)arg;
	}
}

/* futex(2), FUTEX_WAKE_OP: change the second word, wake on the first, perhaps on the second. */
static long wake_op(struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[0], at2 = (uint64_t)th->call.arg[4];
	uint32_t code = (uint32_t)th->call.arg[5], old, seen, new;
	uint32_t op = code >> 28 & 7, cmp = code >> 24 & 15;
	/* Twelve bits each, with a sign. */
	uint32_t oparg = (uint32_t)((int)(code << 8) >> 20),
		 cmparg = (uint32_t)((int)(code << 20) >> 20);
	unsigned woken;

	if (cmp > FUTEX_OP_CMP_GE || op > FUTEX_OP_XOR)
		return -ENOSYS;
	if (at & 3 || at2 & 3)
		return -EINVAL;
	if (code >> 28 & FUTEX_OP_OPARG_SHIFT)
		oparg = 1U << (oparg & 31);
	if (user_load32(&old, (void *)at2))
		return -EFAULT;
	for (;;) {
		switch (op) {
		case FUTEX_OP_SET:
			new = oparg;
			break;
		case FUTEX_OP_ADD:
			new = old + oparg;
			break;
		case FUTEX_OP_OR:
			new = old | oparg;
			break;
		case FUTEX_OP_ANDN:
			new = old & ~oparg;
			break;
		default:
			new = old ^ oparg;
		}
		seen = old;
		if (user_cas32((void *)at2, &seen, new))
			return -EFAULT;
		if (seen == old)
			break;
		old = seen;
	}
	woken = wake(at, (int)th->call.arg[2], MATCH_ALL);
	if (compare(cmp, old, cmparg))
		woken += wake(at2, (int)th->call.arg[3], MATCH_ALL);
	return woken;
}

/* Waits for a PI lock; its word is at call.arg[0]. */
static bool waits_pi(const struct thread *th)
{
	int op = (int)th->call.arg[1] & FUTEX_CMD_MASK;

	return th->co.queue_key && th->call.nr == __NR_futex &&
	       (op == FUTEX_LOCK_PI || op == FUTEX_LOCK_PI2);
}

static struct thread *owner_of(uint64_t at)
{
	uint32_t word;

	if (user_load32(&word, (void *)at))
		return NULL;
	return thread_by_tid((int)(word & FUTEX_TID_MASK));
}

/* Priority inheritance: along the chain of owners that wait themselves; it may be a circle. */
static void boost_owners(const struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[0];

	for (;;) {
		struct thread *owner = owner_of(at);

		if (!owner || owner->co.priority >= th->co.priority)
			return;
		sched_boost(owner, th->co.priority);
		if (!waits_pi(owner))
			return;
		at = (uint64_t)owner->call.arg[0];
	}
}

/* Those who wait for a lock of `owner` have changed. */
static void boost_again(struct thread *owner)
{
	int highest = 0;

	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (th->co.priority > highest && waits_pi(th) &&
		    owner_of((uint64_t)th->call.arg[0]) == owner)
			highest = th->co.priority;
	}
	sched_boost(owner, highest);
}

/* The word holds the owner's id; the kernel keeps it and hands the lock over itself. */
static long lock_pi(struct thread *th, bool try, bool realtime)
{
	void *at = (void *)th->call.arg[0];
	uint32_t word, seen, tid = (uint32_t)th->tid;
	long err;

	if (th->co.woke & WAKE_EVENT)
		return 0; /* unlock_pi has made it ours */
	if (th->co.woke && th->co.priority) {
		struct thread *owner = owner_of((uint64_t)at);

		if (owner && owner->sched.boost)
			boost_again(owner);
	}
	if (th->co.woke & WAKE_TIMEOUT)
		return -ETIMEDOUT;
	if (th->co.woke & WAKE_SIGNAL)
		return -ERESTARTNOINTR;
	if ((uint64_t)at & 3)
		return -EINVAL;
	if (user_load32(&word, at))
		return -EFAULT;
	for (;;) {
		if ((word & FUTEX_TID_MASK) == tid)
			return -EDEADLK;
		seen = word;
		if (!(word & FUTEX_TID_MASK)) {
			if (user_cas32(at, &seen,
				       (word & (FUTEX_OWNER_DIED | FUTEX_WAITERS)) | tid))
				return -EFAULT;
			if (seen == word)
				return 0;
		} else if (try) {
			return -EAGAIN;
		} else {
			struct thread *owner = thread_by_tid((int)(word & FUTEX_TID_MASK));

			if (!owner && !th->call.begun)
				return -ESRCH;
			if (user_cas32(at, &seen, word | FUTEX_WAITERS))
				return -EFAULT;
			if (owner)
				owner->pi_awaited = true;
			if (seen == word)
				break;
		}
		word = seen;
	}
	th->call.begun = true;
	if (realtime)
		th->call.arg[1] |= FUTEX_CLOCK_REALTIME;
	err = arm_timeout(th, true);
	if (err)
		return err;
	if (call_wait_deadline(th))
		return -ENOMEM;
	wait_queue(&th->co, (uint64_t)at, MATCH_ALL);
	th->co.parked_by = PARK_QUEUE;
	if (th->co.priority)
		boost_owners(th);
	return BLOCKED;
}

long futex_hand_over(uint64_t address, uint32_t flags)
{
	struct coroutine *heir = waitq_first(address);

	if (heir) {
		co_wake(heir, WAKE_EVENT);
		flags |=
			(uint32_t)thread_of(heir)->tid | (waitq_first(address) ? FUTEX_WAITERS : 0);
		thread_of(heir)->pi_awaited = true;
	}
	return user_put(address, flags) ? -EFAULT : 0;
}

/* Whoever waits gets the lock, as by exit_pi_state_list in kernel/futex/core.c. */
void futex_owner_ends(struct thread *th)
{
	if (!th->pi_awaited)
		return;
	list_for_each (l, co_registry()) {
		struct thread *waiter = container_of(l, struct thread, co.all);
		uint64_t at = (uint64_t)waiter->call.arg[0];
		uint32_t word;

		if (!waits_pi(waiter) || user_load32(&word, (void *)at) ||
		    (word & FUTEX_TID_MASK) != (uint32_t)th->tid)
			continue;
		futex_hand_over(at, FUTEX_OWNER_DIED);
		if (th->sched.boost && owner_of(at))
			boost_again(owner_of(at));
	}
}

static long unlock_pi(struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[0];
	uint32_t word;
	long err;

	if (at & 3)
		return -EINVAL;
	if (user_load32(&word, (void *)at))
		return -EFAULT;
	if ((word & FUTEX_TID_MASK) != (uint32_t)th->tid)
		return -EPERM;
	err = futex_hand_over(at, 0);
	if (th->sched.boost) {
		struct thread *heir = owner_of(at);

		boost_again(th);
		if (heir)
			boost_again(heir);
	}
	return err;
}

static long shared(struct thread *th, int op)
{
	long err = 0;

	switch (op) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return futex_wait_shared(th);
	case FUTEX_LOCK_PI:
		th->call.arg[1] |= FUTEX_CLOCK_REALTIME;
		/* fall through */
	case FUTEX_LOCK_PI2:
		err = arm_timeout(th, true);
		/* fall through */
	case FUTEX_TRYLOCK_PI:
		return err ? err : futex_lock_pi_shared(th, op == FUTEX_TRYLOCK_PI);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi_shared(th);
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_CMP_REQUEUE_PI:
		return -ENOSYS;
	default:
		return sys_native(th);
	}
}

long sys_futex(struct thread *th)
{
	int op = (int)th->call.arg[1] & FUTEX_CMD_MASK;

	if (is_shared(th))
		return shared(th, op);
	if (op == FUTEX_WAIT_BITSET) /* nearly every wait of libc's */
		return wait(th, (uint32_t)th->call.arg[5], true);
	switch (op) {
	case FUTEX_WAIT:
		return wait(th, MATCH_ALL, false);
	case FUTEX_WAKE:
	case FUTEX_WAKE_BITSET:
		if (th->call.arg[0] & 3 || (op == FUTEX_WAKE_BITSET && !(uint32_t)th->call.arg[5]))
			return -EINVAL;
		return wake((uint64_t)th->call.arg[0], (int)th->call.arg[2],
			    op == FUTEX_WAKE ? MATCH_ALL : (uint32_t)th->call.arg[5]);
	case FUTEX_REQUEUE:
		return requeue(th, false);
	case FUTEX_CMP_REQUEUE:
		return requeue(th, true);
	case FUTEX_WAKE_OP:
		return wake_op(th);
	case FUTEX_LOCK_PI:
		return lock_pi(th, false, true);
	case FUTEX_LOCK_PI2: /* the clock is in the flags */
		return lock_pi(th, false, false);
	case FUTEX_TRYLOCK_PI:
		return lock_pi(th, true, false);
	case FUTEX_UNLOCK_PI:
		return unlock_pi(th);
	default:
		return -ENOSYS;
	}
}

/* As before Linux 5.16; its users all know the older way. */
long sys_futex_waitv(struct thread *th)
{
	(void)th;
	return -ENOSYS;
}
