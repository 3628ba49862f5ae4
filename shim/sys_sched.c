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

/* Where no other thread is meant: main, or somebody else's. */
static bool means_main(long tid)
{
	return !tid || tid == process_id;
}

static struct slab affinities;

void affinity_leave(struct thread *th)
{
	struct affinity *a = th->sched.affinity;

	th->sched.affinity = NULL;
	if (a && !--a->users)
		slab_free(&affinities, a);
}

static struct affinity *affinity_new(const uint64_t mask[16])
{
	struct affinity *a;

	if (!affinities.size)
		slab_init(&affinities, sizeof(*a));
	a = slab_alloc(&affinities);
	if (a)
		memcpy(a->mask, mask, sizeof(a->mask));
	return a;
}

/* The carrier's is main's, and the others have it so far. They keep it. */
static long set_main_affinity(struct thread *th)
{
	uint64_t mask[16] = {0};
	long known = raw3(__NR_sched_getaffinity, 0, sizeof(mask), mask), err = sys_native(th);
	struct affinity *a;

	if (err || !means_main(th->call.arg[0]) || raw_failed(known) || co_alive() == 1)
		return err;
	a = affinity_new(mask);
	list_for_each (l, co_registry()) {
		struct thread *other = container_of(l, struct thread, co.all);

		if (!a || other->tid == process_id || other->sched.affinity)
			continue;
		other->sched.affinity = a;
		a->users++;
	}
	if (a && !a->users)
		slab_free(&affinities, a);
	return 0;
}

long sys_sched_setaffinity(struct thread *th)
{
	struct thread *of = other_than_main(th);
	uint64_t len = (uint64_t)th->call.arg[1];
	uint64_t mask[16] = {0}, any = 0;
	struct affinity *a;

	if (!of)
		return set_main_affinity(th);
	if (len > sizeof(mask))
		len = sizeof(mask);
	if (user_copy(mask, (void *)th->call.arg[2], len))
		return -EFAULT;
	for (int i = 0; i < 16; i++)
		any |= mask[i];
	if (!any)
		return -EINVAL;
	a = affinity_new(mask);
	if (!a)
		return -ENOMEM;
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

static bool is_realtime(int policy)
{
	int kind = policy & ~RESET_ON_FORK;

	return kind == SCHED_FIFO || kind == SCHED_RR;
}

static void bind(struct thread *of)
{
	int priority = is_realtime(of->sched.policy) ? of->sched.priority : 0;

	co_set_priority(&of->co, priority > of->sched.boost ? priority : of->sched.boost,
			(of->sched.policy & ~RESET_ON_FORK) == SCHED_RR);
}

void sched_boost(struct thread *of, int priority)
{
	of->sched.boost = (int8_t)priority;
	bind(of);
}

/* As sched_fork in kernel/sched/core.c. */
void sched_inherit(struct thread *child, const struct thread *parent)
{
	child->sched = parent->sched;
	if (child->sched.affinity)
		child->sched.affinity->users++;
	child->sched.boost = 0;
	if (child->sched.policy & RESET_ON_FORK) {
		if (is_realtime(child->sched.policy)) {
			child->sched.policy = SCHED_OTHER;
			child->sched.nice = 0;
		}
		if (child->sched.nice < 0)
			child->sched.nice = 0;
		child->sched.policy &= ~RESET_ON_FORK;
		child->sched.priority = 0;
	}
	bind(child);
}

void sched_adopt(struct thread *th)
{
	int priority = 0;

	th->sched.policy = (int)raw1(__NR_sched_getscheduler, 0);
	raw2(__NR_sched_getparam, 0, &priority);
	th->sched.priority = (int8_t)priority;
	th->sched.nice = (int8_t)(20 - raw2(__NR_getpriority, PRIO_PROCESS, 0));
	bind(th);
}

/* In the child of a vfork: others may be running in this memory, and nothing of theirs changes. */
void sched_take_along(const struct thread *th)
{
	const struct affinity *a = th->sched.affinity;
	struct thread maker = {.sched = th->sched}, child = {.tid = 0};
	int priority;

	if (th->tid == process_id)
		return;
	maker.sched.affinity = NULL;
	sched_inherit(&child, &maker);
	if (a)
		raw3(__NR_sched_setaffinity, 0, sizeof(a->mask), a->mask);
	priority = is_realtime(child.sched.policy) ? child.sched.priority : 0;
	raw3(__NR_sched_setscheduler, 0, child.sched.policy, &priority);
	raw3(__NR_setpriority, PRIO_PROCESS, 0, child.sched.nice);
}

/* The kernel has accepted it for main, whose thread the carrier is. */
static long bind_main(struct thread *th, long result)
{
	struct thread *of = thread_by_tid(process_id);

	if (!result && means_main(th->call.arg[0]) && of)
		sched_adopt(of);
	return result;
}

static bool allowed(int limit, long value)
{
	struct rlimit most = {0, 0};

	if (!raw0(__NR_geteuid))
		return true;
	raw4(__NR_prlimit64, 0, limit, 0, &most);
	return (rlim_t)value <= most.rlim_cur;
}

/* sched_setscheduler(2): what is allowed, without the privilege of real-time classes. */
static long set_policy(struct thread *of, int policy, int priority)
{
	int kind = policy & ~RESET_ON_FORK;
	bool realtime = is_realtime(kind);

	if (!realtime && kind != SCHED_OTHER && kind != SCHED_BATCH && kind != SCHED_IDLE)
		return -EINVAL;
	if (realtime ? priority < 1 || priority > 99 : priority)
		return -EINVAL;
	if (realtime && !allowed(RLIMIT_RTPRIO, priority))
		return -EPERM;
	of->sched.policy = policy;
	of->sched.priority = (int8_t)priority;
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

	return of ? of->sched.policy : on_carrier(th, 0);
}

long sys_sched_getparam(struct thread *th)
{
	struct thread *of = other_than_main(th);
	int priority;

	if (!of)
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
	if (!err && attr.policy == SCHED_OTHER)
		of->sched.nice = (int8_t)attr.nice;
	return err;
}

long sys_sched_getattr(struct thread *th)
{
	struct thread *of = other_than_main(th);
	long err = on_carrier(th, 0);
	struct sched_attr_head attr;

	if (err || !of || user_get(attr, th->call.arg[1]))
		return err;
	attr.policy = (uint32_t)(of->sched.policy & ~RESET_ON_FORK);
	attr.flags = of->sched.policy & RESET_ON_FORK ? 1 : 0;
	attr.priority = (uint32_t)of->sched.priority;
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

	return of ? 20 - of->sched.nice : on_carrier(th, 1);
}

/* The kernel has accepted it for main, or for several processes and all threads of each. */
static void nice_main(int kind, long nice)
{
	struct thread *main = thread_by_tid(process_id);

	if (main)
		sched_adopt(main);
	if (kind == PRIO_PROCESS || 20 - raw2(__NR_getpriority, PRIO_PROCESS, 0) != nice)
		return;
	list_for_each (l, co_registry())
		container_of(l, struct thread, co.all)->sched.nice = (int8_t)nice;
}

long sys_setpriority(struct thread *th)
{
	struct thread *of = niced(th);
	long nice = th->call.arg[2] < -20 ? -20 : th->call.arg[2] > 19 ? 19 : th->call.arg[2], err;

	if (!of) {
		err = sys_native(th);
		if (!err)
			nice_main((int)th->call.arg[0], nice);
		return err;
	}
	if (nice < of->sched.nice && !allowed(RLIMIT_NICE, 20 - nice))
		return -EACCES;
	of->sched.nice = (int8_t)nice;
	return 0;
}
