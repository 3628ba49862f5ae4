/* SPDX-License-Identifier: MIT */
/*
 * Yielding, affinity and priorities. There is one kernel thread: what a thread other than main
 * asks for is accepted where the kernel would accept it and can be read back, but does not bind.
 */
#include <string.h>

#include "../scheduler/raw.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

long sys_sched_yield(struct thread *th)
{
	if (th->call.begun)
		return 0;
	th->call.begun = true;
	/* Parked and runnable at once: to the tail, after a look at the loop if nobody else is. */
	th->co.again = sys_again;
	co_wake(&th->co, WAKE_EVENT);
	return BLOCKED;
}

/* The same call on behalf of the carrier, where it names a thread that the kernel knows not. */
static long on_carrier(struct thread *th, int arg)
{
	long saved = th->call.arg[arg], result;

	if (saved > 0 && saved != process_id && thread_by_tid((int)saved))
		th->call.arg[arg] = 0;
	result = sys_native(th);
	th->call.arg[arg] = saved;
	return result;
}

static struct thread *other_than_main(struct thread *th)
{
	struct thread *of = th->call.arg[0] ? thread_by_tid((int)th->call.arg[0]) : th;

	return of && of->tid != process_id ? of : NULL;
}

long sys_sched_setaffinity(struct thread *th)
{
	struct thread *of = other_than_main(th);
	uint64_t len = (uint64_t)th->call.arg[1];
	uint64_t mask[16] = {0}, any = 0;

	if (!of)
		return sys_native(th);
	if (len > sizeof(mask))
		len = sizeof(mask);
	if (user_copy(mask, (void *)th->call.arg[2], len))
		return -EFAULT;
	for (int i = 0; i < 16; i++)
		any |= mask[i];
	if (!any)
		return -EINVAL;
	memcpy(of->affinity, mask, sizeof(mask));
	of->affinity_set = true;
	return 0;
}

long sys_sched_getaffinity(struct thread *th)
{
	struct thread *of = other_than_main(th);
	uint64_t mask[16] = {0};
	long len = (long)th->call.arg[1];

	if (!of || !of->affinity_set)
		return on_carrier(th, 0);
	/* How many bytes the kernel would fill in, and which processors there are. */
	len = raw3(__NR_sched_getaffinity, 0, len < (long)sizeof(mask) ? len : (long)sizeof(mask),
		   mask);
	if (raw_failed(len))
		return len;
	return user_copy((void *)th->call.arg[2], of->affinity, (uint64_t)len) ? -EFAULT : len;
}

static long accepted(struct thread *th)
{
	return other_than_main(th) ? 0 : sys_native(th);
}

long sys_sched_setparam(struct thread *th)
{
	return accepted(th);
}

long sys_sched_setscheduler(struct thread *th)
{
	return accepted(th);
}

long sys_sched_setattr(struct thread *th)
{
	return accepted(th);
}

long sys_sched_getparam(struct thread *th)
{
	return on_carrier(th, 0);
}

long sys_sched_getscheduler(struct thread *th)
{
	return on_carrier(th, 0);
}

long sys_sched_getattr(struct thread *th)
{
	return on_carrier(th, 0);
}

long sys_sched_rr_get_interval(struct thread *th)
{
	return on_carrier(th, 0);
}

long sys_getpriority(struct thread *th)
{
	return on_carrier(th, 1);
}

long sys_setpriority(struct thread *th)
{
	return on_carrier(th, 1);
}
