/* SPDX-License-Identifier: MIT */
/* Processes: fork, vfork, exec, and waiting for children. */
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "../scheduler/carrier.h"
#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "fdtab.h"
#include "proc.h"
#include "report.h"
#include "robust.h"
#include "signals.h"
#include "sys.h"
#include "trace.h"
#include "trap.h"
#include "usercopy.h"

#define SET_GS 0x1001

/* The child is the caller's thread alone; every kernel object that was made for us is shared. */
static void child_begins(struct thread *th)
{
	co_save_vector(&th->co); /* libev's clean-up uses vector registers */
	if (this_carrier()->selector_on)
		trap_arm();
	sigreal_after_fork();
	signal_after_fork(th);
	sched_after_fork();
	thread_after_fork(th);
	proc_beside_after_fork();
	timers_after_fork();
	report_after_fork();
	trace_after_fork(th);
}

long proc_fork(struct thread *th, uint64_t flags, uint64_t stack, uint64_t parent_tid,
	       uint64_t child_tid, uint64_t tls)
{
	long pid;

	/* Nothing in the kernel's table may change between the two looking at it. */
	fd_all_shared();
	pid = raw5(__NR_clone, flags & ~(uint64_t)CLONE_SETTLS, 0, parent_tid, child_tid, 0);
	if (pid)
		return pid;
	child_begins(th);
	if (flags & CLONE_CHILD_CLEARTID)
		th->clear_tid = child_tid;
	if (stack)
		th->co.regs.sp = stack;
	if (flags & CLONE_SETTLS)
		th->co.fs = tls;
	return 0;
}

long sys_fork(struct thread *th)
{
	return proc_fork(th, SIGCHLD, 0, 0, 0, 0);
}

/*
 * The child of a vfork shares our memory while we stand still: where no other thread could go on
 * meanwhile, or the child is to be set up as a thread is. Dispatch is off in it by birth;
 * its %gs leads to a block that says so to the front door. It leaves this stack at once.
 */
static _Noreturn void vfork_child(void *arg)
{
	static uint64_t stack[64];
	static struct thread copy;
	struct carrier *foreign = &carrier_foreign;
	const struct vfork_start *start = arg;

	sched_take_along(start->th);
	copy.co.regs = start->th->co.regs;
	copy.co.regs.ax = 0;
	if (start->stack)
		copy.co.regs.sp = start->stack;
	foreign->current = &copy.co;
	foreign->stack_top = (uint64_t)(stack + 64);
	raw2(__NR_arch_prctl, SET_GS, foreign);
	co_resume();
}

#define SETS_UP (CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SETTLS)

long proc_vfork(struct thread *th, uint64_t flags, uint64_t stack, uint64_t parent_tid,
		uint64_t child_tid, uint64_t tls)
{
	struct vfork_start start = {th, stack};
	long pid;

	if (stack && !(flags & (CLONE_VFORK | SETS_UP)))
		return proc_beside(th, flags, stack);
	if (co_alive() > 1 && flags & CLONE_VFORK && !(flags & SETS_UP)) {
		pid = proc_vfork_beside(th, flags, stack);
		if (pid != -EAGAIN)
			return pid;
	}
	fd_all_shared();
	/* Whoever is made otherwise has the memory to itself until it execs or ends. */
	flags |= CLONE_VFORK;
	sigreal_before_exec(th->mask);
	pid = proc_vfork_clone(flags, parent_tid, child_tid, tls, vfork_child, &start);
	sigreal_after_exec();
	return pid;
}

long sys_vfork(struct thread *th)
{
	if (th->call.begun)
		return proc_vfork_again(th);
	return proc_vfork(th, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
}

long sys_execve(struct thread *th)
{
	long err;

	sigreal_before_exec(th->mask);
	signal_before_exec(th);
	trace_before_exec(th);
	robust_before_exec();
	err = raw5(th->call.nr, th->call.arg[0], th->call.arg[1], th->call.arg[2], th->call.arg[3],
		   th->call.arg[4]);
	robust_exec_failed();
	trace_exec_failed();
	signal_exec_failed(th);
	sigreal_after_exec();
	return err;
}

/* No child has changed yet: until SIGCHLD says that one has. */
static long wait_for_child(struct thread *th)
{
	if (th->co.woke & WAKE_SIGNAL)
		return -ERESTARTSYS;
	wait_queue(&th->co, WAIT_CHILD_KEY, ~0U);
	th->co.parked_by = PARK_QUEUE;
	return BLOCKED;
}

/* Children made with another signal than SIGCHLD end in silence. */
static bool silent_children(long options)
{
	return options & (__WALL | __WCLONE);
}

long sys_wait4(struct thread *th)
{
	long options = th->call.arg[2], pid;

	if (th->call.job || (silent_children(options) && !(options & WNOHANG)))
		return sys_by_helper(th, false);
	pid = raw4(__NR_wait4, th->call.arg[0], th->call.arg[1], options | WNOHANG,
		   th->call.arg[3]);
	return pid || options & WNOHANG ? pid : wait_for_child(th);
}

long sys_waitid(struct thread *th)
{
	long options = th->call.arg[3], err;
	siginfo_t info;

	if (options & WNOHANG)
		return sys_native(th);
	if (th->call.job || silent_children(options))
		return sys_by_helper(th, false);
	info.si_pid = 0;
	err = raw5(__NR_waitid, th->call.arg[0], th->call.arg[1], &info, options | WNOHANG,
		   th->call.arg[4]);
	if (!err && !info.si_pid)
		return wait_for_child(th);
	if (!err && th->call.arg[2] && user_put(th->call.arg[2], info))
		return -EFAULT;
	return err;
}
