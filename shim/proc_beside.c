/* SPDX-License-Identifier: MIT */
/*
 * Processes that share our memory and go on beside us: children of vfork and posix_spawn, until
 * they exec or end, and whatever else clone makes so (the tracer of LeakSanitizer is one). Dispatch
 * is off in them by birth. Their %gs leads to a block that says so to the other doors, and stays
 * theirs as long as they are in our memory.
 */
#include <linux/futex.h>
#include <sched.h>

#include "../scheduler/carrier.h"
#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "fdtab.h"
#include "proc.h"
#include "signals.h"
#include "sys.h"

#define SET_GS 0x1001
#define SET_FS 0x1002

struct beside {
	struct carrier foreign;
	struct thread copy;
	const struct thread *maker;
	uint64_t mask;
	uint64_t stack[512];
	struct beside *next;
	long pid;
	uint32_t there; /* cleared, and woken, by the kernel once it has left our memory */
	bool awaited;   /* by the thread that has made it */
};

unsigned proc_beside_count;
static struct beside *all;

/* No signal comes before %gs is right. */
static _Noreturn void begins(void *arg)
{
	struct beside *b = arg;

	raw2(__NR_arch_prctl, SET_GS, &b->foreign);
	raw2(__NR_arch_prctl, SET_FS, b->copy.co.fs);
	sched_take_along(b->maker);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &b->mask, 0, 8);
	co_resume();
}

static struct beside *block(void)
{
	struct beside *b = all;

	while (b && (b->awaited || __atomic_load_n(&b->there, __ATOMIC_ACQUIRE)))
		b = b->next;
	if (b)
		return b;
	b = mem_pages((sizeof(*b) + 4095) & ~4095UL);
	if (b) {
		b->next = all;
		all = b;
	}
	return b;
}

static long make(struct thread *th, struct beside *b, uint64_t flags, uint64_t stack)
{
	uint64_t every = ~0UL;

	b->foreign = carrier_foreign;
	b->foreign.self = &b->foreign;
	b->foreign.current = &b->copy.co;
	b->foreign.stack_top = (uint64_t)(b->stack + 512);
	b->copy.co.regs = th->co.regs;
	b->copy.co.regs.ax = 0;
	if (stack)
		b->copy.co.regs.sp = stack;
	b->copy.co.fs = th->co.fs;
	b->maker = th;
	b->mask = th->mask & ~SIGBIT(SIGSYS);
	b->there = 1;
	fd_all_shared();
	sigreal_before_exec(every);
	b->pid = helper_clone((long)(flags | CLONE_CHILD_CLEARTID), b->stack + 512, begins, b,
			      &b->there);
	sigreal_after_exec();
	if (raw_failed(b->pid))
		b->there = 0;
	return b->pid;
}

long proc_beside(struct thread *th, uint64_t flags, uint64_t stack)
{
	struct beside *b = block();

	if (!b)
		return -ENOMEM;
	futex_mirror = true;
	waitq_close_doors();
	return make(th, b, flags, stack);
}

long proc_vfork_beside(struct thread *th, uint64_t flags, uint64_t stack)
{
	struct beside *b = block();
	long pid;

	if (!b)
		return -EAGAIN;
	/* With CLONE_VFORK it would have the carrier's stack for signals too, at the same time. */
	pid = make(th, b, flags & ~(uint64_t)CLONE_VFORK, stack);
	if (raw_failed(pid))
		return pid;
	b->awaited = true;
	proc_beside_count++;
	th->call.begun = true;
	th->call.place = (uint64_t)b;
	return proc_vfork_again(th);
}

/* It has left, by the word that the kernel clears; Linux before 5.16 does not where it dumps core.
 */
static bool left(struct beside *b)
{
	return !__atomic_load_n(&b->there, __ATOMIC_ACQUIRE);
}

long proc_vfork_again(struct thread *th)
{
	static const struct timespec a_while = {0, 100000000};
	struct beside *b = (struct beside *)th->call.place;
	const long arg[6] = {(long)&b->there, FUTEX_WAIT, 1, (long)&a_while};
	long n;

	for (;;) {
		if (th->call.job) {
			/* Signals have to wait, as in the kernel. */
			if (!helper_result(th->call.job, &n)) {
				th->co.parked_by = PARK_HELPER;
				return BLOCKED;
			}
			th->call.job = NULL;
			if (n == -ETIMEDOUT && process_gone((int)b->pid))
				b->there = 0;
		}
		if (left(b))
			break;
		if (!wait_helper(&th->co, __NR_futex, arg, false, &th->call.job))
			return BLOCKED;
		raw4(__NR_futex, arg[0], arg[1], arg[2], arg[3]);
	}
	b->awaited = false;
	proc_beside_count--;
	return b->pid;
}

void proc_beside_after_fork(void)
{
	proc_beside_count = 0;
	for (struct beside *b = all; b; b = b->next)
		b->there = b->awaited = 0;
}
