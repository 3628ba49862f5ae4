/* SPDX-License-Identifier: MIT */
/* Birth, death and identity of threads, as glibc asks the kernel for them. */
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "crowd.h"
#include "proc.h"
#include "report.h"
#include "robust.h"
#include "signals.h"
#include "stacks.h"
#include "sys.h"
#include "tid.h"
#include "trace.h"
#include "usercopy.h"

#define CLONE_ARGS_MAX 4096 /* copy_clone_args_from_user in kernel/fork.c: a page */

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

int process_id;

static int main_exit_code;

/*
 * What ld.so told the kernel of the main thread before we were there: the word to clear at its
 * end, and its robust list. Where the kernel does not tell the former (it needs
 * CONFIG_CHECKPOINT_RESTORE), it is looked for beside the latter: both are in struct pthread.
 */
static void adopt_main(struct thread *th)
{
	uint64_t at = 0, len;
	uint32_t word;

	raw3(__NR_get_robust_list, 0, &th->robust_head, &len);
	if (!raw2(__NR_prctl, 40 /* PR_GET_TID_ADDRESS */, &at) && at) {
		th->clear_tid = at;
		return;
	}
	for (at = th->robust_head - 64; th->robust_head && at < th->robust_head; at += 4) {
		if (user_load32(&word, (void *)at) || word != (uint32_t)th->tid)
			continue;
		th->clear_tid = at;
		return;
	}
}

int thread_init(void)
{
	static const struct thread nobody;
	struct coroutine *co = co_new();
	struct thread *th;

	if (!co)
		return -ENOMEM;
	th = thread_of(co);
	process_id = (int)raw0(__NR_getpid);
	th->tid = process_id;
	signal_thread_init(th, &nobody);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, 0, &th->mask, 8);
	raw2(__NR_sigaltstack, 0, &th->altstack);
	raw2(__NR_prctl, PR_GET_NAME, th->name);
	adopt_main(th);
	co->fs = this_carrier()->fs_main;
	this_carrier()->current = co;
	sched_adopt(th);
	return 0;
}

struct thread *thread_by_tid(int tid)
{
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (th->tid == tid)
			return th;
	}
	return NULL;
}

void thread_after_fork(struct thread *th)
{
	sched_take_along(th);
	affinity_leave(th);
	th->sched.boost = 0;
	process_id = (int)raw0(__NR_getpid);
	tid_after_fork();
	th->tid = process_id;
	sched_adopt(th);
	th->robust_head = 0; /* as copy_process in kernel/fork.c */
	th->clear_tid = 0;
	main_exit_code = 0;
	registry_after_fork();
	raw2(__NR_prctl, PR_SET_NAME, th->name);
}

struct birth {
	uint64_t flags, stack_top, tls;
	uint64_t parent_tid, child_tid;
};

static long new_thread(struct thread *parent, const struct birth *b)
{
	struct coroutine *co;
	struct thread *th;
	uint32_t tid;

	if (!(b->flags & CLONE_SIGHAND) || !(b->flags & CLONE_VM))
		return -EINVAL;
	co = crowd_admits(co_alive()) ? co_new() : NULL;
	if (!co)
		return -EAGAIN;
	th = thread_of(co);
	tid = (uint32_t)(th->tid = tid_new());
	/* Before the child can run: it may look at once. */
	if ((b->flags & CLONE_PARENT_SETTID && user_put(b->parent_tid, tid)) ||
	    (b->flags & CLONE_CHILD_SETTID && user_put(b->child_tid, tid))) {
		signal_thread_init(th, parent);
		tid_free(th->tid);
		co_free(co);
		return -EFAULT;
	}
	signal_thread_init(th, parent);
	memcpy(th->name, parent->name, sizeof(th->name));
	if (b->flags & CLONE_CHILD_CLEARTID)
		th->clear_tid = b->child_tid;
	sched_inherit(th, parent);
	/* It goes on where the parent does, on its own stack, with 0 in %rax. */
	co->regs = parent->co.regs;
	co->regs.ax = 0;
	if (b->stack_top) {
		co->regs.sp = b->stack_top;
		stacks_begin(b->stack_top);
	}
	co->fs = b->flags & CLONE_SETTLS ? b->tls : parent->co.fs;
	co->abi = ABI_C;
	/* Rounding mode and exception masks are inherited. */
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(co->mxcsr), "=m"(co->fcw));
	co_run_last(co);
	trace_thread_begins(th, parent);
	return th->tid;
}

static long new_task(struct thread *th, const struct birth *b)
{
	if (b->flags & CLONE_THREAD)
		return new_thread(th, b);
	if (b->flags & CLONE_VM)
		return proc_vfork(th, b->flags, b->stack_top, b->parent_tid, b->child_tid, b->tls);
	return proc_fork(th, b->flags, b->stack_top, b->parent_tid, b->child_tid, b->tls);
}

long sys_clone(struct thread *th)
{
	struct birth b = {
		.flags = (uint64_t)th->call.arg[0],
		.stack_top = (uint64_t)th->call.arg[1],
		.parent_tid = (uint64_t)th->call.arg[2],
		.child_tid = (uint64_t)th->call.arg[3],
		.tls = (uint64_t)th->call.arg[4],
	};

	return th->call.begun ? proc_vfork_again(th) : new_task(th, &b);
}

/*
 * Only what clone can do as well. For the rest ENOSYS, as before Linux 5.3, where every caller
 * must have another way.
 */
long sys_clone3(struct thread *th)
{
	struct {
		uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
	} args = {0};
	uint64_t size = (uint64_t)th->call.arg[1], more;
	struct birth b;

	if (th->call.begun)
		return proc_vfork_again(th);
	if (size < sizeof(args))
		return -EINVAL;
	if (size > CLONE_ARGS_MAX)
		return -E2BIG;
	if (user_get(args, th->call.arg[0]))
		return -EFAULT;
	if (args.pidfd || args.flags & ~0xffffff00UL || args.flags & CLONE_PIDFD)
		return -ENOSYS;
	/* What later kernels have: mostly not asked for. */
	for (uint64_t at = sizeof(args); at < size; at += sizeof(more)) {
		more = 0;
		if (user_copy(&more, (char *)th->call.arg[0] + at,
			      size - at < sizeof(more) ? size - at : sizeof(more)))
			return -EFAULT;
		if (more)
			return -ENOSYS;
	}
	b = (struct birth){
		.flags = args.flags | args.exit_signal,
		.stack_top = args.stack ? args.stack + args.stack_size : 0,
		.parent_tid = args.parent_tid,
		.child_tid = args.child_tid,
		.tls = args.tls,
	};
	return new_task(th, &b);
}

static _Noreturn void end_process(int code)
{
	/* Locks that other processes share; the kernel knows of the main thread's only. */
	list_for_each (l, co_registry())
		robust_owner_ends(container_of(l, struct thread, co.all));
	trace_end();
	report_print();
	for (;;)
		raw1(__NR_exit_group, code);
}

long sys_exit(struct thread *th)
{
	uint32_t zero = 0;

	robust_owner_ends(th);
	futex_owner_ends(th);
	stacks_end(th->co.regs.sp, co_cycles(&th->co));
	/* The stack may be unmapped from here on; we stand on the carrier's. */
	if (th->clear_tid && !user_put(th->clear_tid, zero))
		futex_wake_address(th->clear_tid, 1);
	if (th->tid == process_id)
		main_exit_code = (int)th->call.arg[0];
	if (co_alive() == 1)
		end_process(main_exit_code);
	trace_thread_ends(th);
	signal_thread_exit(th);
	affinity_leave(th);
	tid_free(th->tid);
	co_free(&th->co);
	return 0;
}

long sys_exit_group(struct thread *th)
{
	end_process((int)th->call.arg[0]);
}

long sys_set_tid_address(struct thread *th)
{
	th->clear_tid = (uint64_t)th->call.arg[0];
	return th->tid;
}

long sys_set_robust_list(struct thread *th)
{
	if (th->call.arg[1] != 24)
		return -EINVAL;
	th->robust_head = (uint64_t)th->call.arg[0];
	/* So that it holds when the process is killed too. */
	return th->tid == process_id ? sys_native(th) : 0;
}

long sys_get_robust_list(struct thread *th)
{
	struct thread *of = th->call.arg[0] ? thread_by_tid((int)th->call.arg[0]) : th;
	uint64_t len = 24;

	if (!of)
		return sys_native(th);
	return user_put(th->call.arg[1], of->robust_head) || user_put(th->call.arg[2], len)
		       ? -EFAULT
		       : 0;
}

/*
 * glibc 2.35 and later end the process when a thread cannot register while main could. The
 * kernel knows one area only, main's; the others are told what an unregistered one holds, and
 * fall back to other ways of finding out the processor.
 */
long sys_rseq(struct thread *th)
{
	uint32_t ids[2] = {0, (uint32_t)-1};

	if (th->tid == process_id)
		return sys_native(th);
	return user_put(th->call.arg[0], ids);
}

long sys_gettid(struct thread *th)
{
	return th->tid;
}

long sys_arch_prctl(struct thread *th)
{
	uint64_t none = 0;

	switch (th->call.arg[0]) {
	case 0x1001: /* ARCH_SET_GS: it points at the carrier */
		return -EPERM;
	case 0x1002: /* ARCH_SET_FS */
		th->co.fs = (uint64_t)th->call.arg[1];
		return 0;
	case 0x1003: /* ARCH_GET_FS */
		return user_put(th->call.arg[1], th->co.fs);
	case 0x1004: /* ARCH_GET_GS */
		return user_put(th->call.arg[1], none);
	default:
		return sys_native(th);
	}
}

long sys_prctl(struct thread *th)
{
	switch (th->call.arg[0]) {
	case PR_SET_NAME:
		memset(th->name, 0, sizeof(th->name));
		/* As strncpy_from_user: byte by byte, since the string may end before a bad page.
		 */
		for (unsigned i = 0; i < sizeof(th->name) - 1; i++) {
			if (user_get(th->name[i], th->call.arg[1] + i))
				return -EFAULT;
			if (!th->name[i])
				break;
		}
		trace_thread_named(th);
		return th->tid == process_id ? sys_native(th) : 0;
	case PR_GET_NAME:
		return user_put(th->call.arg[1], th->name);
	case PR_SET_SYSCALL_USER_DISPATCH:
		return -EINVAL; /* as a kernel without it: it is in use */
	case PR_CAPBSET_DROP:
	case PR_CAP_AMBIENT:
	case PR_SET_KEEPCAPS:
	case PR_SET_NO_NEW_PRIVS:
	case PR_SET_SECCOMP:
	case PR_SET_SECUREBITS:
		return sys_own_change(th);
	default:
		return sys_native(th);
	}
}
