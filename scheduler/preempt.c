/* SPDX-License-Identifier: MIT */
/*
 * Time slices: a coroutine that computes does not keep the others waiting. The timer counts the
 * carrier's processor time, so it stands still while the carrier sleeps. It ticks several times
 * a slice: whom the clock or a descriptor has woken meanwhile need not wait for its end. The
 * kernel looks at such timers when its own clock ticks, CONFIG_HZ times a second; so while
 * somebody runs who is known to compute, a finer timer counts real time.
 */
#include <signal.h>
#include <string.h>

#include "carrier.h"
#include "helper.h"
#include "raw.h"
#include "watch.h"

#define NS    1000000000
#define TICK  1000000 /* nanoseconds */
#define SHORT 100000  /* the shortest slice of one that spins */

/* With a seed a slice lasts so many ticks. */
#define SEEDED 1000

static uint64_t slice = 10000000;
static int timer = -1, fine_timer = -1;
static bool armed;
static volatile bool fine_armed;

static void set(uint64_t ns)
{
	struct itimerspec its = {
		.it_interval = {(time_t)(ns / NS), (long)(ns % NS)},
		.it_value = {(time_t)(ns / NS), (long)(ns % NS)},
	};

	raw4(__NR_timer_settime, timer, 0, &its, 0);
	armed = ns;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)sig;
	if (info->si_code != SI_TIMER) {
		if (watch_signal(uc))
			return;
		interruptible_signal(&uc->uc_mcontext.gregs[REG_RIP]);
		return;
	}
	if (this_carrier()->foreign)
		return;
	if (this_carrier()->alive < 2) {
		set(0);
		return;
	}
	/* In our own text it is seen when the call ends; in the program's, now. */
	if (info->si_timerid == timer) {
		this_carrier()->ticked += 1 + (uint32_t)info->si_overrun;
		/* Time decides nothing then, but one that spins must not do so for ever. */
		if (order_state && this_carrier()->ticked < SEEDED)
			return;
	} else {
		fine_armed = false;
		if (this_carrier()->short_slice)
			this_carrier()->short_over = true;
		else if (!this_carrier()->current || !this_carrier()->current->hog)
			return;
	}
	if (sched_hooks.tick && sched_hooks.tick(uc))
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)carrier_interrupted_entry;
}

void own_signal_init(void)
{
	struct {
		void (*handler)(int, siginfo_t *, void *);
		uint64_t flags;
		void (*restorer)(void);
		uint64_t mask;
	} act = {on_signal, SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */, signal_restorer,
		 ~0UL};

	raw4(__NR_rt_sigaction, OWN_SIGNAL, &act, 0, 8);
}

void preempt_slice(uint64_t ns)
{
	slice = ns;
}

static uint64_t tick(void)
{
	return slice < TICK ? slice : TICK;
}

bool preempt_slice_is_over(uint32_t ticks)
{
	return ticks * tick() >= slice;
}

void preempt_start(struct carrier *ca)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = OWN_SIGNAL};

	(void)ca;
	if (!slice || armed || !sched_hooks.tick)
		return;
	ev._sigev_un._tid = (int)raw0(__NR_gettid);
	if (fine_timer < 0 && raw3(__NR_timer_create, CLOCK_MONOTONIC, &ev, &fine_timer))
		fine_timer = -1;
	if (timer < 0) {
		if (raw3(__NR_timer_create, CLOCK_THREAD_CPUTIME_ID, &ev, &timer)) {
			timer = -1;
			return; /* RLIMIT_SIGPENDING: the program still runs, without slices */
		}
		own_signal_init();
	}
	set(tick());
}

static void set_fine(uint64_t ns)
{
	struct itimerspec its = {.it_value = {0, (long)ns}};

	fine_armed = true;
	raw4(__NR_timer_settime, fine_timer, 0, &its, 0);
}

void preempt_fine(void)
{
	if (armed && !fine_armed && fine_timer >= 0)
		set_fine(TICK);
}

bool preempt_short(const struct coroutine *co)
{
	if (!armed || fine_timer < 0 || co->patience >= tick())
		return false;
	set_fine(co->patience);
	return true;
}

static uint32_t bounded(uint32_t ns)
{
	return ns < SHORT ? SHORT : ns < TICK ? ns : TICK;
}

void preempt_patience(struct coroutine *co)
{
	co->patience = bounded(co->called ? co->patience / 2 : co->patience + co->patience / 4);
}

void preempt_longer(struct coroutine *co, uint32_t ns)
{
	co->patience = bounded(2 * ns);
}

/* timer_create(2): the child has none. */
void preempt_after_fork(void)
{
	timer = fine_timer = -1;
	fine_armed = false;
	armed = false;
}
