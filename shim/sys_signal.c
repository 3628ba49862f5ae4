/* SPDX-License-Identifier: MIT */
/* The calls by which a program sets, sends, blocks and awaits signals. */
#include <string.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "signals.h"
#include "sys.h"
#include "tid.h"
#include "usercopy.h"

#define NS 1000000000UL

long sys_rt_sigaction(struct thread *th)
{
	int sig = (int)th->call.arg[0];
	struct kernel_sigaction act, old;

	if (th->call.arg[3] != 8 || sig < 1 || sig > 64)
		return -EINVAL;
	old = signal_action[sig];
	if (th->call.arg[1]) {
		if (user_get(act, th->call.arg[1]))
			return -EFAULT;
		if (SIGBIT(sig) & SIG_UNBLOCKABLE)
			return -EINVAL;
	}
	if (th->call.arg[2] && user_put(th->call.arg[2], old))
		return -EFAULT;
	if (!th->call.arg[1])
		return 0;
	act.mask &= ~SIG_UNBLOCKABLE;
	signal_action[sig] = act;
	sigreal_action(sig);
	if (signal_ignored(sig))
		signal_discard(sig);
	return 0;
}

long sys_rt_sigprocmask(struct thread *th)
{
	uint64_t set, old = th->mask;

	if (th->call.arg[3] != 8)
		return -EINVAL;
	if (th->call.arg[1]) {
		if (user_get(set, th->call.arg[1]))
			return -EFAULT;
		switch (th->call.arg[0]) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_mask(th, set);
	}
	return th->call.arg[2] && user_put(th->call.arg[2], old) ? -EFAULT : 0;
}

long sys_rt_sigpending(struct thread *th)
{
	uint64_t set = (th->pending.set | process_pending.set | sigreal_pending()) & th->mask;

	if ((uint64_t)th->call.arg[1] > 8)
		return -EINVAL;
	return user_copy((void *)th->call.arg[0], &set, (uint64_t)th->call.arg[1]);
}

/* What the kernel holds for a signalfd comes to us at once when it may. */
static void fetch_held(uint64_t set)
{
	sigreal_take_back(set);
	if (this_carrier()->attention)
		sigreal_attend();
}

long sys_rt_sigtimedwait(struct thread *th)
{
	struct timespec ts;
	siginfo_t info;
	uint64_t set;
	int sig;

	if (th->call.arg[3] != 8)
		return -EINVAL;
	if (user_get(set, th->call.arg[0]))
		return -EFAULT;
	set &= ~SIG_UNBLOCKABLE;
	if (!th->call.begun) {
		if (th->call.arg[2]) {
			if (user_get(ts, th->call.arg[2]))
				return -EFAULT;
			if (ts.tv_sec < 0 || (unsigned long)ts.tv_nsec >= NS)
				return -EINVAL;
			call_timeout(th, time_to_ns(&ts));
		}
		sigreal_catch(set);
		th->call.sigwait = set;
		fetch_held(set);
		th->call.begun = true;
	}
	sig = signal_take(th, set, &info);
	if (sig) {
		if (th->call.arg[1] && user_put(th->call.arg[1], info))
			return -EFAULT;
		return sig;
	}
	if (th->co.woke & WAKE_TIMEOUT)
		return -EAGAIN;
	if (th->co.woke & WAKE_SIGNAL || signal_next(th))
		return -ERESTARTNOHAND;
	if (call_wait_deadline(th))
		return -ENOMEM;
	return BLOCKED;
}

static long suspend(struct thread *th)
{
	return th->co.woke & WAKE_SIGNAL || signal_next(th) ? -ERESTARTNOHAND : BLOCKED;
}

long sys_rt_sigsuspend(struct thread *th)
{
	uint64_t mask;

	if (!th->call.mask_saved) {
		if (th->call.arg[1] != 8)
			return -EINVAL;
		if (user_get(mask, th->call.arg[0]))
			return -EFAULT;
		th->call.mask = th->mask;
		th->call.mask_saved = true;
		signal_set_mask(th, mask);
	}
	return suspend(th);
}

long sys_pause(struct thread *th)
{
	return suspend(th);
}

long sys_rt_sigreturn(struct thread *th)
{
	return sigframe_pop(th);
}

long sys_sigaltstack(struct thread *th)
{
	bool in_use = on_altstack(th, th->co.regs.sp);
	stack_t ss, old = th->altstack;
	int mode;

	if (th->call.arg[0] && user_get(ss, th->call.arg[0]))
		return -EFAULT;
	if (in_use)
		old.ss_flags |= SS_ONSTACK;
	if (th->call.arg[0]) {
		if (in_use)
			return -EPERM;
		mode = ss.ss_flags & ~(int)SS_AUTODISARM;
		if (mode && mode != SS_ONSTACK && mode != SS_DISABLE)
			return -EINVAL;
		if (mode == SS_DISABLE) {
			ss.ss_sp = NULL;
			ss.ss_size = 0;
		} else if (ss.ss_size < 2048 /* MINSIGSTKSZ, asm-generic/signal.h */) {
			return -ENOMEM;
		} else {
			ss.ss_flags &= ~SS_ONSTACK;
		}
		th->altstack = ss;
	}
	return th->call.arg[1] && user_put(th->call.arg[1], old) ? -EFAULT : 0;
}

/* To one thread of this process; NULL: the kernel's business. */
static long send(struct thread *th, int tgid, int tid, int sig, const siginfo_t *info)
{
	struct thread *to = tid > 0 ? thread_by_tid(tid) : NULL;

	if (!to)
		return tid >= TID_FIRST ? -ESRCH : sys_native(th);
	if (tgid && tgid != process_id)
		return -ESRCH;
	if (sig < 0 || sig > 64)
		return -EINVAL;
	if (!sig)
		return 0;
	if (SIGBIT(sig) & SIG_UNBLOCKABLE)
		return raw2(__NR_kill, process_id, sig);
	signal_post(to, info, false);
	return 0;
}

static long send_kill(struct thread *th, int tgid, int tid, int sig)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_TKILL};

	info.si_pid = process_id;
	info.si_uid = (uid_t)raw0(__NR_getuid);
	return send(th, tgid, tid, sig, &info);
}

long sys_tkill(struct thread *th)
{
	return send_kill(th, 0, (int)th->call.arg[0], (int)th->call.arg[1]);
}

long sys_tgkill(struct thread *th)
{
	if ((int)th->call.arg[0] <= 0 || (int)th->call.arg[1] <= 0)
		return -EINVAL;
	return send_kill(th, (int)th->call.arg[0], (int)th->call.arg[1], (int)th->call.arg[2]);
}

long sys_rt_sigqueueinfo(struct thread *th)
{
	if ((int)th->call.arg[0] == process_id && signal_queue_full((int)th->call.arg[1]))
		return -EAGAIN;
	return sys_native(th);
}

long sys_rt_tgsigqueueinfo(struct thread *th)
{
	siginfo_t info;

	if (user_get(info, th->call.arg[3]))
		return -EFAULT;
	info.si_signo = (int)th->call.arg[2];
	if (signal_queue_full(info.si_signo))
		return -EAGAIN;
	return send(th, (int)th->call.arg[0], (int)th->call.arg[1], (int)th->call.arg[2], &info);
}

long sys_signalfd(struct thread *th)
{
	uint64_t set;

	if (th->call.arg[2] == 8 && !user_get(set, th->call.arg[1]))
		sigreal_signalfd(set & ~SIG_UNBLOCKABLE);
	return sys_native(th);
}
