/* SPDX-License-Identifier: MIT */
/* Which thread gets a signal, when, and what becomes of it. */
#include <string.h>
#include <sys/resource.h>

#include "../scheduler/raw.h"
#include "../scheduler/slab.h"
#include "signals.h"

struct kernel_sigaction signal_action[65];
struct signal_queue process_pending;

struct entry {
	struct list link;
	siginfo_t info;
};

static struct slab entries;
static uint64_t queued; /* of them in use */

int signal_init(void)
{
	slab_init(&entries, sizeof(struct entry));
	list_init(&process_pending.entries);
	for (int sig = 1; sig <= 64; sig++)
		raw4(__NR_rt_sigaction, sig, 0, &signal_action[sig], 8);
	return 0;
}

void signal_thread_init(struct thread *th, const struct thread *parent)
{
	list_init(&th->pending.entries);
	th->mask = parent->mask;
	th->altstack.ss_flags = SS_DISABLE;
}

static void flush(struct signal_queue *q, uint64_t set)
{
	list_for_each_safe (l, tmp, &q->entries) {
		struct entry *e = container_of(l, struct entry, link);

		if (!(SIGBIT(e->info.si_signo) & set))
			continue;
		list_del(l);
		slab_free(&entries, e);
		queued--;
	}
	q->set &= ~set;
}

/* A thread that should have had a signal of the process is gone: let another have it. */
static void wake_for_process(void)
{
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (process_pending.set & ~th->mask) {
			th->co.notice = true;
			co_wake(&th->co, WAKE_SIGNAL);
		}
	}
}

void signal_thread_exit(struct thread *th)
{
	flush(&th->pending, ~0UL);
	th->mask = ~0UL;
	if (process_pending.set)
		wake_for_process();
}

/* POSIX: the child of a fork has no pending signals. */
void signal_after_fork(struct thread *th)
{
	flush(&th->pending, ~0UL);
	flush(&process_pending, ~0UL);
}

bool signal_ignored(int sig)
{
	uint64_t handler = signal_action[sig].handler;

	return handler == (uint64_t)SIG_IGN ||
	       (handler == (uint64_t)SIG_DFL && SIGBIT(sig) & SIG_IGNORED_BY_DEFAULT);
}

static uint64_t ignored_set(void)
{
	uint64_t set = 0;

	for (int sig = 1; sig <= 64; sig++)
		set |= signal_ignored(sig) ? SIGBIT(sig) : 0;
	return set;
}

void signal_discard(int sig)
{
	flush(&process_pending, SIGBIT(sig));
	list_for_each (l, co_registry())
		flush(&container_of(l, struct thread, co.all)->pending, SIGBIT(sig));
}

void signal_hand_back(uint64_t set)
{
	list_for_each_safe (l, tmp, &process_pending.entries) {
		siginfo_t info = container_of(l, struct entry, link)->info;

		if (SIGBIT(info.si_signo) & set && sigreal_hand_back(&info))
			flush(&process_pending, SIGBIT(info.si_signo));
	}
}

void signal_before_exec(const struct thread *th)
{
	list_for_each (l, &th->pending.entries) {
		siginfo_t *info = &container_of(l, struct entry, link)->info;

		raw4(__NR_rt_tgsigqueueinfo, process_id, process_id, info->si_signo, info);
	}
	list_for_each (l, &process_pending.entries) {
		siginfo_t *info = &container_of(l, struct entry, link)->info;

		raw3(__NR_rt_sigqueueinfo, process_id, info->si_signo, info);
	}
}

static void take_out(const struct signal_queue *q)
{
	static const struct timespec none;

	list_for_each (l, &q->entries) {
		uint64_t bit = SIGBIT(container_of(l, struct entry, link)->info.si_signo);

		raw4(__NR_rt_sigtimedwait, &bit, 0, &none, 8);
	}
}

void signal_exec_failed(const struct thread *th)
{
	take_out(&th->pending);
	take_out(&process_pending);
}

static void enqueue(struct signal_queue *q, const siginfo_t *info)
{
	struct entry *e;

	if (info->si_signo < 32 && q->set & SIGBIT(info->si_signo))
		return; /* signal(7): standard signals do not queue */
	q->set |= SIGBIT(info->si_signo);
	e = slab_alloc(&entries);
	if (!e)
		return; /* as with RLIMIT_SIGPENDING: the signal comes, its data are lost */
	e->info = *info;
	list_add_tail(&q->entries, &e->link);
	queued++;
}

bool signal_queue_full(int sig)
{
	struct rlimit limit = {0, 0};

	return sig >= 32 && !raw4(__NR_prlimit64, 0, RLIMIT_SIGPENDING, 0, &limit) &&
	       queued >= limit.rlim_cur;
}

static bool wants(const struct thread *th, uint64_t bit)
{
	return !(th->mask & bit) || th->call.sigwait & bit;
}

/* The kernel's order (complete_signal): the main thread if it wants it, else any. */
static struct thread *choose(uint64_t bit)
{
	struct thread *fallback = NULL;

	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (!wants(th, bit))
			continue;
		if (th->co.again || th->tid == process_id)
			return th;
		if (!fallback)
			fallback = th;
	}
	return fallback;
}

/* A timer of processor time: it is for the thread that runs, as profilers expect. */
static bool of_cpu_timer(const siginfo_t *info)
{
	return info->si_code == SI_KERNEL &&
	       SIGBIT(info->si_signo) & (SIGBIT(SIGPROF) | SIGBIT(SIGVTALRM) | SIGBIT(SIGXCPU));
}

/* Between two turns it is the one that runs next, most likely. */
static struct thread *choose_running(uint64_t bit)
{
	struct coroutine *current = co_current();
	struct thread *best = NULL;

	if (current && wants(thread_of(current), bit))
		return thread_of(current);
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (th->co.runnable && wants(th, bit) &&
		    (!best || th->co.priority > best->co.priority))
			best = th;
	}
	return best ? best : choose(bit);
}

void signal_post(struct thread *th, const siginfo_t *info, bool forced)
{
	int sig = info->si_signo;
	uint64_t bit = SIGBIT(sig);
	struct thread *to = th ? th : of_cpu_timer(info) ? choose_running(bit) : choose(bit);

	if (th && forced && (th->mask & bit || signal_ignored(sig))) {
		/* force_sig_info in kernel/signal.c */
		signal_action[sig].handler = (uint64_t)SIG_DFL;
		th->mask &= ~bit;
	}
	if (to && signal_ignored(sig) && !(to->mask & bit) && !(to->call.sigwait & bit))
		return;
	if (th && th->mask & bit && !(th->call.sigwait & bit) && sigreal_hand_back(info))
		return;
	enqueue(th ? &th->pending : &process_pending, info);
	if (!to || !wants(to, bit))
		return;
	to->co.notice = true;
	co_wake(&to->co, to->call.sigwait & bit ? WAKE_EVENT : WAKE_SIGNAL);
}

uint64_t signal_deliverable(const struct thread *th)
{
	uint64_t set = (th->pending.set | process_pending.set) & ~th->mask;

	return set ? set & ~ignored_set() : 0;
}

/* Synchronous ones first, then by number, as next_signal in kernel/signal.c. */
static int first_of(uint64_t set)
{
	uint64_t sync = set & SIG_SYNCHRONOUS;

	return set ? __builtin_ctzl(sync ? sync : set) + 1 : 0;
}

int signal_next(const struct thread *th)
{
	return first_of(signal_deliverable(th));
}

static bool take_from(struct signal_queue *q, int sig, siginfo_t *info)
{
	struct entry *found = NULL;
	bool more = false;

	if (!(q->set & SIGBIT(sig)))
		return false;
	list_for_each (l, &q->entries) {
		struct entry *e = container_of(l, struct entry, link);

		if (e->info.si_signo != sig)
			continue;
		if (found)
			more = true;
		else
			found = e;
	}
	if (!more)
		q->set &= ~SIGBIT(sig);
	if (found) {
		*info = found->info;
		list_del(&found->link);
		slab_free(&entries, found);
		queued--;
	} else {
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		info->si_code = SI_USER;
	}
	return true;
}

int signal_take(struct thread *th, uint64_t set, siginfo_t *info)
{
	int sig = first_of(th->pending.set & set);

	if (sig && take_from(&th->pending, sig, info))
		return sig;
	sig = first_of(process_pending.set & set);
	return sig && take_from(&process_pending, sig, info) ? sig : 0;
}

void signal_set_mask(struct thread *th, uint64_t mask)
{
	uint64_t blocked = mask & ~SIG_UNBLOCKABLE & ~th->mask;

	sigreal_take_back(th->mask & ~mask);
	th->mask = mask & ~SIG_UNBLOCKABLE;
	if (blocked) {
		sigreal_catch(blocked);
		sigreal_hold(blocked);
		/* A signal of the process that was this thread's to take may be another's now. */
		if (process_pending.set & blocked)
			wake_for_process();
	}
	if ((th->pending.set | process_pending.set) & ~th->mask)
		th->co.notice = true;
}

/* What is ignored and no longer blocked is dropped here, as the kernel does. */
void signal_deliver(struct coroutine *co)
{
	struct thread *th = thread_of(co);
	uint64_t ignored = ignored_set();
	siginfo_t info;
	int sig;

	co->notice = false;
	while ((sig = signal_take(th, ~th->mask, &info))) {
		struct kernel_sigaction act = signal_action[sig];
		uint64_t oldmask = th->mask;

		if (SIGBIT(sig) & ignored)
			continue;
		if (act.handler == (uint64_t)SIG_DFL) {
			sigreal_default(sig);
			continue;
		}
		if (th->call.mask_saved) {
			oldmask = th->call.mask;
			th->call.mask_saved = false;
		}
		if (sigframe_push(th, sig, &info, &act, oldmask)) {
			/* No stack for the frame: force_sigsegv in kernel/signal.c. */
			sigreal_default(SIGSEGV);
			continue;
		}
		if (act.flags & SA_RESETHAND)
			signal_action[sig].handler = (uint64_t)SIG_DFL;
		signal_set_mask(th,
				th->mask | act.mask | (act.flags & SA_NODEFER ? 0 : SIGBIT(sig)));
		ignored = ignored_set();
	}
	if (th->call.mask_saved) {
		th->call.mask_saved = false;
		signal_set_mask(th, th->call.mask);
		if (co->notice)
			signal_deliver(co);
	}
}
