/* SPDX-License-Identifier: MIT */
/* Where the doors meet: from a system call's number to its handler, and from a result back. */
#include <string.h>

#include "../scheduler/carrier.h"
#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "report.h"
#include "signals.h"
#include "sys.h"

#define SYS(name)                 SYS_AS(name, name)
#define RESTART(name)             RESTART_AS(name, name)
#define SYS_AS(name, handler)     [__NR_##name] = {sys_##handler, false},
#define RESTART_AS(name, handler) [__NR_##name] = {sys_##handler, true},
const struct sys sys_table[SYS_COUNT] = {
#include "sys_list.h"
};
#undef SYS
#undef RESTART
#undef SYS_AS
#undef RESTART_AS

_Static_assert(offsetof(struct report, side) == REPORT_SIDE, "side_x86_64.S");

#define NO_HELPER_NS 10000000

static const struct sys *lookup(long nr)
{
	static const struct sys native;

	return (unsigned long)nr < SYS_COUNT ? &sys_table[nr] : &native;
}

static long dispatch(struct thread *th)
{
	const struct sys *s = lookup(th->call.nr);

	return s->fn ? s->fn(th) : sys_native(th);
}

static void begin(struct thread *th)
{
	/* Field by field: a string instruction takes longer to get going. */
	th->call.job = NULL;
	th->call.deadline = th->call.done = th->call.mask = th->call.sigwait = 0;
	th->call.held = -1;
	th->call.clock = 0;
	th->call.front = th->call.timed = th->call.mask_saved = th->call.begun = false;
	th->call.soon = false;
	th->call.kind = 0;
}

long sys_enter_front(struct coroutine *co)
{
	struct thread *th = thread_of(co);
	struct co_regs *r = &co->regs;

	begin(th);
	th->call.front = true;
	th->call.nr = (int32_t)(r->di & ~CALL_SOON);
	th->call.soon = r->di & CALL_SOON;
	th->call.done = r->di >> CALL_DONE_SHIFT;
	th->call.arg[0] = (long)r->si;
	th->call.arg[1] = (long)r->dx;
	th->call.arg[2] = (long)r->cx;
	th->call.arg[3] = (long)r->r8;
	th->call.arg[4] = (long)r->r9;
	th->call.arg[5] = *(long *)r->sp;
	report.front++;
	return dispatch(th);
}

/* The registers hold what the kernel would find there. */
static long enter_kernel(struct coroutine *co)
{
	struct thread *th = thread_of(co);
	struct co_regs *r = &co->regs;

	begin(th);
	th->call.nr = (int)r->ax; /* as the kernel looks at it */
	th->call.arg[0] = (long)r->di;
	th->call.arg[1] = (long)r->si;
	th->call.arg[2] = (long)r->dx;
	th->call.arg[3] = (long)r->r10;
	th->call.arg[4] = (long)r->r8;
	th->call.arg[5] = (long)r->r9;
	return dispatch(th);
}

long sys_enter_side(struct coroutine *co)
{
	report.side++;
	return enter_kernel(co);
}

/*
 * glibc makes many for nobody: who comes out of pthread_cond_wait leaves the mutex marked as
 * contended.
 */
void sys_wakes_side(struct coroutine *co)
{
	report.side++;
	co->regs.ax = (uint64_t)futex_wake(co->regs.di, (int)co->regs.dx);
}

long sys_enter_back(struct coroutine *co)
{
	report.back++;
	return enter_kernel(co);
}

long sys_again(struct coroutine *co)
{
	return dispatch(thread_of(co));
}

/* The handler of the program's that comes next decides whether the call is made again. */
static bool restarts(const struct thread *th, long result)
{
	const struct kernel_sigaction *act = &signal_action[signal_next(th)];

	return result == -ERESTARTNOINTR || (result == -ERESTARTSYS && act->flags & SA_RESTART);
}

static void set_up_restart(struct thread *th)
{
	struct co_regs *r = &th->co.regs;

	if (th->call.front) {
		/* The arguments are in the registers still, the return address on the stack. */
		r->ip = (uint64_t)co_syscall;
		r->sp -= 8;
	} else {
		r->ip -= 2; /* the length of the instruction */
		r->ax = (uint64_t)th->call.nr;
	}
}

/* Where a signal, a file of our own or a signal mask is to be seen to. */
static __attribute__((noinline)) bool finish_rare(struct thread *th, long result)
{
	bool interrupted = false, again = false;

	if (result <= -ERESTARTSYS && result >= -ERESTARTNOHAND) {
		if (this_carrier()->attention)
			sigreal_attend();
		if (!signal_next(th))
			return false; /* ignored, or somebody else's: wait on */
		interrupted = true;
		again = restarts(th, result);
		result = -EINTR;
	}
	if (th->call.held >= 0)
		fd_close_own(th->call.held);
	th->call.held = -1;
	if (th->call.sigwait) {
		uint64_t set = th->call.sigwait;

		th->call.sigwait = 0;
		sigreal_hold(set);
	}
	if (again)
		set_up_restart(th);
	else if (result != NO_RESULT)
		th->co.regs.ax = (uint64_t)result;
	if (th->call.mask_saved) {
		if (interrupted) {
			th->co.notice = true; /* signal_deliver puts the mask back */
		} else {
			th->call.mask_saved = false;
			signal_set_mask(th, th->call.mask);
		}
	}
	return true;
}

bool sys_finish(struct coroutine *co, long result)
{
	struct thread *th = thread_of(co);

	if ((result <= -ERESTARTSYS && result >= -ERESTARTNOHAND) || th->call.held >= 0 ||
	    th->call.sigwait || th->call.mask_saved)
		return finish_rare(th, result);
	if (result != NO_RESULT)
		co->regs.ax = (uint64_t)result;
	return true;
}

long sys_native(struct thread *th)
{
	uint64_t begun = report_clock();
	long result = interruptible_syscall(th->call.nr, th->call.arg, &this_carrier()->attention);

	report_held(th->call.nr, begun);
	/* Natively the handler runs first, then the call: many never end with EINTR. */
	if (result == NOT_BEGUN)
		return -ERESTARTNOINTR;
	if (result == -EINTR)
		return lookup(th->call.nr)->restart ? -ERESTARTSYS : -ERESTARTNOHAND;
	return result;
}

long sys_job(struct thread *th, bool bounded, long nr, const long arg[6])
{
	long result;

	if (!th->call.job) {
		uint64_t begun = report_clock();

		if (!wait_helper(&th->co, nr, arg, bounded, &th->call.job))
			return BLOCKED;
		result = interruptible_syscall(nr, arg, &this_carrier()->attention);
		report_held(nr, begun);
		return result;
	}
	if (!helper_result(th->call.job, &result)) {
		if (th->co.woke & WAKE_SIGNAL)
			helper_interrupt(th->call.job);
		th->co.parked_by = PARK_HELPER;
		return BLOCKED;
	}
	th->call.job = NULL;
	return result;
}

/*
 * No helper can be made (RLIMIT_NPROC): on the carrier a call that others must end would wait for
 * ever. It is made again from the top, which may be enough, or finds a helper then.
 */
static long wait_for_helper(struct thread *th)
{
	if (th->co.woke & WAKE_SIGNAL)
		return NOT_BEGUN;
	if (wait_until(&th->co, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + NO_HELPER_NS))
		return sys_native(th);
	th->co.parked_by = PARK_HELPER;
	return BLOCKED;
}

long sys_by_helper(struct thread *th, bool bounded)
{
	long result;

	if (co_alive() == 1 && !th->call.job)
		return sys_native(th); /* nobody to make way for */
	if (bounded || th->call.job)
		result = sys_job(th, bounded, th->call.nr, th->call.arg);
	else if (!wait_helper(&th->co, th->call.nr, th->call.arg, false, &th->call.job))
		return BLOCKED;
	else
		result = wait_for_helper(th);
	if (result == NOT_BEGUN && bounded)
		return -ERESTARTNOINTR;
	/* One that may wait for long has been waiting, as far as the program can tell. */
	if (result == -EINTR || result == NOT_BEGUN)
		return lookup(th->call.nr)->restart ? -ERESTARTSYS : -ERESTARTNOHAND;
	return result;
}
