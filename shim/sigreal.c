/* SPDX-License-Identifier: MIT */
/*
 * The kernel's side of signals: one handler for all of them. It only notes what has come. If it
 * has interrupted program text it takes the thread off; if it has interrupted us, whoever is
 * about to go on with program text looks at the note first.
 */
#include <string.h>
#include <sys/signalfd.h>
#include <ucontext.h>

#include "../scheduler/carrier.h"
#include "../scheduler/check.h"
#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "log.h"
#include "patch.h"
#include "signals.h"
#include "stacks.h"
#include "sys.h"
#include "usercopy.h"

#define RING 256

const char *text_begin, *text_end, *front_begin, *front_end;

struct note {
	siginfo_t info;
	struct thread *thread; /* it is for, NULL the process */
	bool forced;
};

/* Written by the handler, in which all signals are blocked; read with none of it running. */
static struct {
	struct note note[RING];
	volatile unsigned head, tail;
} ring;

static uint64_t caught;    /* signals that have our handler */
static uint64_t to_kernel; /* held back in the kernel's queue */
static uint64_t kept;      /* to be held back while no thread wants them: signalfd's, timers' */

static bool in_our_text(uint64_t ip)
{
	return (const char *)ip >= text_begin && (const char *)ip < text_end &&
	       !((const char *)ip >= front_begin && (const char *)ip < front_end);
}

static void set_action(int sig, uint64_t handler)
{
	struct kernel_sigaction act = {
		.handler = handler,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_RESTORER_FLAG,
		.restorer = (uint64_t)signal_restorer,
		.mask = ~SIG_SYNCHRONOUS,
	};

	/* Ignoring it natively has children reaped at once; our handler must not change that. */
	if (sig == SIGCHLD && (signal_action[sig].flags & SA_NOCLDWAIT ||
			       signal_action[sig].handler == (uint64_t)SIG_IGN))
		act.flags |= SA_NOCLDWAIT;
	raw4(__NR_rt_sigaction, sig, &act, 0, 8);
}

/* The kernel's own idea of a signal's action and of our mask, for a child that execs. */
static void real_default(int sig)
{
	struct kernel_sigaction dfl = {.handler = (uint64_t)SIG_DFL,
				       .flags = SA_RESTORER_FLAG,
				       .restorer = (uint64_t)signal_restorer};
	uint64_t bit = SIGBIT(sig);

	raw4(__NR_rt_sigaction, sig, &dfl, 0, 8);
	raw4(__NR_rt_sigprocmask, SIG_UNBLOCK, &bit, 0, 8);
	raw2(__NR_tkill, raw0(__NR_gettid), sig);
}

static void note(const siginfo_t *info, struct thread *th, bool forced)
{
	unsigned head = ring.head;
	struct note *n = &ring.note[head % RING];

	if (head - ring.tail == RING)
		return; /* as with RLIMIT_SIGPENDING */
	n->info = *info;
	n->thread = th;
	n->forced = forced;
	ring.head = head + 1;
	this_carrier()->attention = 1;
}

/* Raised by the processor in program text, or by us in reaching for the program's memory. */
static void synchronous(int sig, const siginfo_t *info, ucontext_t *uc)
{
	uint64_t ip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
	struct carrier *ca = this_carrier();
	siginfo_t shown;

	if ((const char *)ip >= user_begin && (const char *)ip < user_end) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)user_fault;
		return;
	}
	if (in_our_text(ip) || ca->in_loop) {
		log_fault(sig, ip - (uint64_t)text_begin, (uint64_t)info->si_addr);
		real_default(SIGABRT);
	}
	if (signal_action[sig].handler <= (uint64_t)SIG_IGN ||
	    thread_of(ca->current)->mask & SIGBIT(sig)) {
		/* It happens again on return and kills the process, with the right core. */
		struct kernel_sigaction dfl = {.handler = (uint64_t)SIG_DFL};

		raw4(__NR_rt_sigaction, sig, &dfl, 0, 8);
		return;
	}
	shown = *info;
	/* The kernel takes a mark for a hole, where glibc has asked for a page without access. */
	if (sig == SIGSEGV && info->si_code == SEGV_MAPERR &&
	    stacks_guards((uint64_t)info->si_addr))
		shown.si_code = SEGV_ACCERR;
	note(&shown, thread_of(ca->current), true);
	sigframe_save_interrupted(thread_of(ca->current), uc);
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)carrier_interrupted_entry;
	uc->uc_mcontext.gregs[REG_EFL] = 0x202;
}

bool sigreal_tick(void *context)
{
	ucontext_t *uc = context;
	struct carrier *ca = this_carrier();

	if (in_our_text((uint64_t)uc->uc_mcontext.gregs[REG_RIP]) || ca->in_loop || !ca->current)
		return false;
	sigframe_save_interrupted(thread_of(ca->current), uc);
	uc->uc_mcontext.gregs[REG_EFL] = 0x202;
	return true;
}

void sigreal_handler(int sig, siginfo_t *info, void *context)
{
	struct carrier *ca = this_carrier();
	ucontext_t *uc = context;
	greg_t *ip = &uc->uc_mcontext.gregs[REG_RIP];
	struct thread *th = NULL;

	if (ca->foreign) {
		/* A child that has not exec'd yet: its memory is ours, its death is its own. */
		if (signal_action[sig].handler == (uint64_t)SIG_DFL &&
		    !(SIGBIT(sig) & SIG_IGNORED_BY_DEFAULT))
			real_default(sig);
		return;
	}
	if (SIGBIT(sig) & SIG_SYNCHRONOUS && info->si_code > 0) {
		synchronous(sig, info, uc);
		return;
	}
	/* The next one may be due already: only the kernel can drop them without end. */
	if ((info->si_code == SI_TIMER || info->si_code == SI_KERNEL) && kept & SIGBIT(sig) &&
	    signal_ignored(sig) && sig != SIGCHLD) {
		caught &= ~SIGBIT(sig);
		set_action(sig, signal_action[sig].handler);
	}
	if (in_our_text((uint64_t)*ip) || ca->in_loop) {
		/* What a write of ours brought about is the writer's. */
		if ((sig == SIGPIPE || sig == SIGXFSZ) && ca->current && !ca->in_loop)
			th = thread_of(ca->current);
		note(info, th, false);
		if (*ip >= (greg_t)co_front_exit && *ip < (greg_t)co_front_exit_end)
			*ip = (greg_t)co_front_exit;
		else if (*ip >= (greg_t)co_resume_exit && *ip < (greg_t)co_resume_exit_end)
			*ip = (greg_t)co_resume_exit;
		else if (*ip >= (greg_t)co_continue && *ip < (greg_t)co_continue_end)
			*ip = (greg_t)co_continue;
		else if (*ip >= (greg_t)side_answered && *ip < (greg_t)side_answered_end)
			*ip = (greg_t)side_again;
		interruptible_signal(ip);
		carrier_kick();
		return;
	}
	note(info, NULL, false);
	sigframe_save_interrupted(thread_of(ca->current), uc);
	*ip = (greg_t)carrier_interrupted_entry;
	uc->uc_mcontext.gregs[REG_EFL] = 0x202;
}

int sigreal_init(void)
{
	uint64_t none = 0;

	/* SIGCHLD tells who waits for a child; faults may be ours, in reaching for its memory. */
	caught = SIG_SYNCHRONOUS | SIGBIT(SIGCHLD);
	/* A program that is patched late has handlers already; and blocked ones may be inherited.
	 */
	caught |= thread_of(co_current())->mask;
	for (int sig = 1; sig <= 64; sig++)
		if (signal_action[sig].handler > (uint64_t)SIG_IGN)
			caught |= SIGBIT(sig);
	caught &= ~(SIG_UNBLOCKABLE | SIGBIT(OWN_SIGNAL));
	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGSYS && caught & SIGBIT(sig))
			set_action(sig, (uint64_t)sigreal_handler);
	/* From here on masks are ours: the kernel is to give us everything. */
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
	return 0;
}

void sigreal_catch(uint64_t set)
{
	set &= ~(caught | SIG_UNBLOCKABLE | SIGBIT(OWN_SIGNAL));
	caught |= set;
	for (; set; set &= set - 1)
		set_action(__builtin_ctzl(set) + 1, (uint64_t)sigreal_handler);
}

void sigreal_action(int sig)
{
	uint64_t bit = SIGBIT(sig);

	if (bit & SIG_UNBLOCKABLE || sig == OWN_SIGNAL || sig == SIGSYS)
		return;
	if (caught & bit || signal_action[sig].handler > (uint64_t)SIG_IGN) {
		caught |= bit;
		set_action(sig, (uint64_t)sigreal_handler);
	} else {
		set_action(sig, signal_action[sig].handler);
	}
}

/*
 * Somebody asked for a signalfd on these. What no thread wants is handed back to the kernel's
 * queue, where the signalfd finds it, and stays blocked there until a thread unblocks it.
 */
void sigreal_signalfd(uint64_t set)
{
	kept |= set & ~SIG_SYNCHRONOUS;
	sigreal_catch(set);
	signal_hand_back(set);
}

static bool somebody_wants(uint64_t bit)
{
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (!(th->mask & bit) || th->call.sigwait & bit)
			return true;
	}
	return false;
}

/*
 * Of a timer that goes off again and again the kernel counts what is overrun only while its
 * signal is pending there: taken by us each time, a short interval would leave time for nothing
 * else.
 */
void sigreal_timer(int sig)
{
	if (sig < 1 || sig > 64)
		return;
	kept |= SIGBIT(sig) & ~SIG_SYNCHRONOUS;
	sigreal_hold(SIGBIT(sig));
}

void sigreal_hold(uint64_t set)
{
	uint64_t held = 0;

	for (set &= kept & ~to_kernel; set; set &= set - 1)
		if (!somebody_wants(set & -set))
			held |= set & -set;
	if (!held)
		return;
	to_kernel |= held;
	raw4(__NR_rt_sigprocmask, SIG_BLOCK, &held, 0, 8);
}

bool sigreal_hand_back(const siginfo_t *info)
{
	uint64_t bit = SIGBIT(info->si_signo);

	if (!(kept & bit) || somebody_wants(bit))
		return false;
	to_kernel |= bit;
	raw4(__NR_rt_sigprocmask, SIG_BLOCK, &bit, 0, 8);
	return !raw3(__NR_rt_sigqueueinfo, process_id, info->si_signo, info);
}

/* A thread wants some of these again: let the kernel deliver what it holds. */
void sigreal_take_back(uint64_t set)
{
	set &= to_kernel;
	if (!set)
		return;
	to_kernel &= ~set;
	raw4(__NR_rt_sigprocmask, SIG_UNBLOCK, &set, 0, 8);
}

/* What waits in the kernel's queue, for sigpending. */
uint64_t sigreal_pending(void)
{
	uint64_t set = 0;

	if (to_kernel)
		raw2(__NR_rt_sigpending, &set, 8);
	return set & to_kernel;
}

void sigreal_attend(void)
{
	this_carrier()->attention = 0;
	while (ring.tail != ring.head) {
		struct note n = ring.note[ring.tail % RING];
		struct thread *th = n.thread;

		ring.tail++;
		if (n.info.si_signo == SIGCHLD) {
			waitq_wake(WAIT_CHILD_KEY, ~0U, ~0U);
			if (n.info.si_code >= CLD_TRAPPED && n.info.si_code <= CLD_CONTINUED &&
			    signal_action[SIGCHLD].flags & SA_NOCLDSTOP)
				continue;
		}
		if (!th && sigreal_hand_back(&n.info))
			continue;
		if (!th && n.info.si_code == SI_TKILL)
			th = thread_by_tid(process_id);
		if (!th && n.info.si_code == SI_TIMER)
			th = timer_thread(n.info.si_timerid);
		signal_post(th, &n.info, n.forced);
	}
}

void sigreal_default(int sig)
{
	if (SIGBIT(sig) & SIG_IGNORED_BY_DEFAULT)
		return;
	real_default(sig);
	/* It has been stopped and goes on. */
	set_action(sig, (uint64_t)sigreal_handler);
}

void sigreal_before_exec(uint64_t mask)
{
	for (int sig = 1; sig <= 64; sig++)
		if (caught & SIGBIT(sig) && signal_action[sig].handler == (uint64_t)SIG_IGN)
			set_action(sig, (uint64_t)SIG_IGN);
	/* A handler that is reset by exec, not by us: SIGSYS stays ours until then. */
	mask &= ~SIGBIT(SIGSYS);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

void sigreal_after_exec(void)
{
	uint64_t mask = to_kernel;

	for (int sig = 1; sig <= 64; sig++)
		if (caught & SIGBIT(sig) && signal_action[sig].handler == (uint64_t)SIG_IGN)
			set_action(sig, (uint64_t)sigreal_handler);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &mask, 0, 8);
}

/* What was noted was the parent's. */
void sigreal_after_fork(void)
{
	ring.tail = ring.head;
	this_carrier()->attention = 0;
}
