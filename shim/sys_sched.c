/* SPDX-License-Identifier: MIT */
/*
 * Yielding, affinity and priorities. There is one kernel thread: what a thread other than main
 * asks for is accepted where the kernel would accept it and can be read back. Real-time priorities
 * hold among the threads of the process, see priority.c; the rest does not bind.
 */
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "../scheduler/raw.h"
#include "../scheduler/slab.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

long sys_sched_yield(struct thread *th)
{
	/* Only we have run since: the others that natively get a turn are other processes. */
	if (th->call.begun)
		return sched_stats.switches == th->call.done + 1 ? sys_native(th) : 0;
	th->call.begun = true;
	th->call.done = sched_stats.switches;
	th->co.parked_by = PARK_YIELD;
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

static struct slab affinities;

void affinity_leave(struct thread *th)
{
	struct affinity *a = th->sched.affinity;

	th->sched.affinity = NULL;
	if (a && !--a->users)
		slab_free(&affinities, a);
}

long sys_sched_setaffinity(struct thread *th)
{
	struct thread *of = other_than_main(th);
	uint64_t len = (uint64_t)th->call.arg[1];
	uint64_t mask[16] = {0}, any = 0;
	struct affinity *a;

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
	if (!affinities.size)
		slab_init(&affinities, sizeof(*a));
	a = slab_alloc(&affinities);
	if (!a)
		return -ENOMEM;
	memcpy(a->mask, mask, sizeof(mask));
	a->users = 1;
	affinity_leave(of);
	of->sched.affinity = a;
	return 0;
}

long sys_sched_getaffinity(struct thread *th)
{
	struct thread *of = other_than_main(th);
	uint64_t mask[16] = {0};
	long len = (long)th->call.arg[1];

	if (!of || !of->sched.affinity)
		return on_carrier(th, 0);
	/* How many bytes the kernel would fill in, and which processors there are. */
	len = raw3(__NR_sched_getaffinity, 0, len < (long)sizeof(mask) ? len : (long)sizeof(mask),
		   mask);
	if (raw_failed(len))
		return len;
	if (user_copy((void *)th->call.arg[2], of->sched.affinity->mask, (uint64_t)len))
		return -EFAULT;
	return len;
}

#define RESET_ON_FORK 0x40000000 /* SCHED_RESET_ON_FORK */

static void bind(struct thread *of)
{
	int kind = of->sched.policy & ~RESET_ON_FORK;
	bool realtime = kind == SCHED_FIFO || kind == SCHED_RR;
	int priority = realtime ? of->sched.priority : 0;

	co_set_priority(&of->co, priority > of->sched.boost ? priority : of->sched.boost,
			kind == SCHED_RR);
}

void sched_boost(struct thread *of, int priority)
{
	of->sched.boost = (int8_t)priority;
	bind(of);
}

void sched_inherit(struct thread *child, const struct thread *parent)
{
	child->sched = parent->sched;
	if (child->sched.affinity)
		child->sched.affinity->users++;
	child->sched.boost = 0;
	if (child->sched.policy & RESET_ON_FORK) {
		child->sched.policy = SCHED_OTHER;
		child->sched.priority = 0;
	}
	bind(child);
}

/* The kernel has accepted it for main, whose thread the carrier is: it holds for us too. */
static long bind_main(struct thread *th, long result)
{
	struct thread *of = thread_by_tid(process_id);
	int policy = (int)raw1(__NR_sched_getscheduler, 0), priority;

	if (result || (th->call.arg[0] && th->call.arg[0] != process_id) || !of)
		return result;
	if (!raw2(__NR_sched_getparam, 0, &priority)) {
		of->sched.priority = (int8_t)priority;
		of->sched.policy = policy;
		of->sched.policy_set = true;
		bind(of);
	}
	return result;
}

/* sched_setscheduler(2): what is allowed, without the privilege of real-time classes. */
static long set_policy(struct thread *of, int policy, int priority)
{
	int kind = policy & ~RESET_ON_FORK;
	bool realtime = kind == SCHED_FIFO || kind == SCHED_RR;

	if (!realtime && kind != SCHED_OTHER && kind != SCHED_BATCH && kind != SCHED_IDLE)
		return -EINVAL;
	if (realtime ? priority < 1 || priority > 99 : priority)
		return -EINVAL;
	if (realtime && raw0(__NR_geteuid))
		return -EPERM;
	of->sched.policy = policy;
	of->sched.priority = (int8_t)priority;
	of->sched.policy_set = true;
	bind(of);
	return 0;
}

static long set_from(struct thread *of, int policy, uint64_t param)
{
	int priority;

	if (!param || user_get(priority, param))
		return param ? -EFAULT : -EINVAL;
	return set_policy(of, policy, priority);
}

long sys_sched_setscheduler(struct thread *th)
{
	struct thread *of = other_than_main(th);

	return of ? set_from(of, (int)th->call.arg[1], (uint64_t)th->call.arg[2])
		  : bind_main(th, sys_native(th));
}

long sys_sched_setparam(struct thread *th)
{
	struct thread *of = other_than_main(th);

	return of ? set_from(of, of->sched.policy, (uint64_t)th->call.arg[1])
		  : bind_main(th, sys_native(th));
}

long sys_sched_getscheduler(struct thread *th)
{
	struct thread *of = other_than_main(th);

	return of && of->sched.policy_set ? of->sched.policy : on_carrier(th, 0);
}

long sys_sched_getparam(struct thread *th)
{
	struct thread *of = other_than_main(th);
	int priority;

	if (!of || !of->sched.policy_set)
		return on_carrier(th, 0);
	priority = of->sched.priority;
	return user_put(th->call.arg[1], priority);
}

/* sched_setattr(2), the part that each kernel has; the rest is for deadlines. */
struct sched_attr_head {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
};

long sys_sched_setattr(struct thread *th)
{
	struct thread *of = other_than_main(th);
	struct sched_attr_head attr;
	long err;

	if (!of)
		return bind_main(th, sys_native(th));
	if (user_get(attr, th->call.arg[1]))
		return -EFAULT;
	err = set_policy(of, (int)(attr.policy | (attr.flags & 1 ? RESET_ON_FORK : 0)),
			 (int)attr.priority);
	if (!err && attr.policy == SCHED_OTHER) {
		of->sched.nice = (int8_t)attr.nice;
		of->sched.nice_set = true;
	}
	return err;
}

long sys_sched_getattr(struct thread *th)
{
	struct thread *of = other_than_main(th);
	long err = on_carrier(th, 0);
	struct sched_attr_head attr;

	if (err || !of || user_get(attr, th->call.arg[1]))
		return err;
	if (of->sched.policy_set) {
		attr.policy = (uint32_t)(of->sched.policy & ~RESET_ON_FORK);
		attr.flags = of->sched.policy & RESET_ON_FORK ? 1 : 0;
		attr.priority = (uint32_t)of->sched.priority;
	}
	if (of->sched.nice_set)
		attr.nice = of->sched.nice;
	return user_put(th->call.arg[1], attr) ? -EFAULT : 0;
}

long sys_sched_rr_get_interval(struct thread *th)
{
	return on_carrier(th, 0);
}

static struct thread *niced(struct thread *th)
{
	struct thread *of = th->call.arg[1] ? thread_by_tid((int)th->call.arg[1]) : th;

	return th->call.arg[0] == PRIO_PROCESS && of && of->tid != process_id ? of : NULL;
}

long sys_getpriority(struct thread *th)
{
	struct thread *of = niced(th);

	return of && of->sched.nice_set ? 20 - of->sched.nice : on_carrier(th, 1);
}

long sys_setpriority(struct thread *th)
{
	struct thread *of = niced(th);
	long nice = th->call.arg[2], now;

	if (!of)
		return sys_native(th);
	nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	now = of->sched.nice_set ? of->sched.nice : 20 - raw2(__NR_getpriority, PRIO_PROCESS, 0);
	if (nice < now && raw0(__NR_geteuid))
		return -EACCES;
	of->sched.nice = (int8_t)nice;
	of->sched.nice_set = true;
	return 0;
}
