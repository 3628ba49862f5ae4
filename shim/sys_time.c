/* SPDX-License-Identifier: MIT */
/* Sleeping, and timers that notify one thread. */
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "../scheduler/raw.h"
#include "../scheduler/slab.h"
#include "proc.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

#define NS  1000000000UL
#define MAX (1UL << 62) /* 146 years: as good as for ever */

uint64_t time_to_ns(const struct timespec *ts)
{
	if (ts->tv_sec >= (time_t)(MAX / NS))
		return MAX;
	return (uint64_t)ts->tv_sec * NS + (uint64_t)ts->tv_nsec;
}

void call_timeout(struct thread *th, uint64_t ns)
{
	if (th->call.timed)
		return;
	th->call.clock = CLOCK_MONOTONIC;
	th->call.deadline = time_now(CLOCK_MONOTONIC) + (ns < MAX ? ns : MAX);
	th->call.timed = true;
}

int call_wait_deadline(struct thread *th)
{
	return th->call.timed ? wait_until(&th->co, th->call.clock, th->call.deadline) : 0;
}

/* What is left of a relative sleep, for the caller of a call that a handler has ended. */
static long put_remaining(struct thread *th, uint64_t to)
{
	uint64_t now = time_now(th->call.clock), ns = 0;
	struct timespec ts;

	if (!to)
		return 0;
	if (now < th->call.deadline)
		ns = th->call.deadline - now;
	ts.tv_sec = (time_t)(ns / NS);
	ts.tv_nsec = (long)(ns % NS);
	return user_put(to, ts);
}

static long sleep_on(struct thread *th, int clock, bool absolute, uint64_t request, uint64_t left)
{
	struct timespec ts;
	uint64_t ns;

	if (th->co.woke & WAKE_TIMEOUT)
		return 0;
	if (th->co.woke & WAKE_SIGNAL) {
		if (!absolute && put_remaining(th, left))
			return -EFAULT;
		return -ERESTARTNOHAND;
	}
	if (!th->call.timed) {
		if (user_get(ts, request))
			return -EFAULT;
		if (ts.tv_sec < 0 || (unsigned long)ts.tv_nsec >= NS)
			return -EINVAL;
		ns = time_to_ns(&ts);
		/* A relative sleep does not notice that somebody sets the clock. */
		th->call.clock = !absolute && clock == CLOCK_REALTIME ? CLOCK_MONOTONIC : clock;
		th->call.deadline = absolute ? ns : time_now(th->call.clock) + ns;
		th->call.timed = true;
	}
	if (call_wait_deadline(th))
		return -ENOMEM;
	th->co.parked_by = PARK_TIME;
	return BLOCKED;
}

long sys_nanosleep(struct thread *th)
{
	return sleep_on(th, CLOCK_REALTIME, false, (uint64_t)th->call.arg[0],
			(uint64_t)th->call.arg[1]);
}

/* CLOCK_TAI has no timerfd: its distance to CLOCK_REALTIME is looked up, it changes by years. */
static long sleep_tai(struct thread *th, bool absolute)
{
	struct timespec ts;
	uint64_t tai, real, request = (uint64_t)th->call.arg[2];

	if (absolute && !th->call.timed) {
		if (user_get(ts, request))
			return -EFAULT;
		if (ts.tv_sec < 0 || (unsigned long)ts.tv_nsec >= NS)
			return -EINVAL;
		tai = time_now(CLOCK_TAI);
		real = time_now(CLOCK_REALTIME);
		/* To the second: the two are read one after the other. */
		th->call.deadline = time_to_ns(&ts) - (tai - real + NS / 2) / NS * NS;
		th->call.clock = CLOCK_REALTIME;
		th->call.timed = true;
	}
	return sleep_on(th, CLOCK_REALTIME, absolute, request, (uint64_t)th->call.arg[3]);
}

long sys_clock_nanosleep(struct thread *th)
{
	int clock = (int)th->call.arg[0];
	bool absolute = th->call.arg[1] & TIMER_ABSTIME;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		return sleep_on(th, clock, absolute, (uint64_t)th->call.arg[2],
				(uint64_t)th->call.arg[3]);
	case CLOCK_TAI:
		return sleep_tai(th, absolute);
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		return sys_by_helper(th, false);
	default:
		/* Processor time of another process is negative; all else fails at once. */
		return clock < 0 ? sys_by_helper(th, false) : sys_native(th);
	}
}

/* Timers that are to notify a thread which the kernel does not know. */
struct thread_timer {
	struct thread_timer *next;
	int timer, tid;
};

static struct thread_timer *timers;
static struct slab timer_slab;

struct thread *timer_thread(int timer)
{
	for (struct thread_timer *t = timers; t; t = t->next)
		if (t->timer == timer)
			return thread_by_tid(t->tid);
	return NULL;
}

/* What a timer of the process sends, see sigreal_timer. */
long sys_setitimer(struct thread *th)
{
	static const int sent[] = {
		[ITIMER_REAL] = SIGALRM,
		[ITIMER_VIRTUAL] = SIGVTALRM,
		[ITIMER_PROF] = SIGPROF,
	};

	if ((unsigned long)th->call.arg[0] <= ITIMER_PROF && th->call.arg[1])
		sigreal_timer(sent[th->call.arg[0]]);
	return sys_native(th);
}

long sys_timer_create(struct thread *th)
{
	struct sigevent ev;
	struct thread_timer *t;
	int id, tid;
	long err;

	if (!th->call.arg[1]) {
		sigreal_timer(SIGALRM);
		return sys_native(th);
	}
	if (user_get(ev, th->call.arg[1]))
		return -EFAULT;
	if (ev.sigev_notify == SIGEV_SIGNAL)
		sigreal_timer(ev.sigev_signo);
	tid = ev._sigev_un._tid;
	if (ev.sigev_notify != SIGEV_THREAD_ID || !thread_by_tid(tid))
		return sys_native(th);
	if (!timer_slab.size)
		slab_init(&timer_slab, sizeof(*t));
	t = slab_alloc(&timer_slab);
	if (!t)
		return -EAGAIN;
	ev._sigev_un._tid = process_id;
	err = raw3(__NR_timer_create, th->call.arg[0], &ev, &id);
	if (err || user_put(th->call.arg[2], id)) {
		slab_free(&timer_slab, t);
		return err ? err : -EFAULT;
	}
	*t = (struct thread_timer){timers, id, tid};
	timers = t;
	return 0;
}

long sys_timer_delete(struct thread *th)
{
	for (struct thread_timer **p = &timers; *p; p = &(*p)->next) {
		struct thread_timer *t = *p;

		if (t->timer != (int)th->call.arg[0])
			continue;
		*p = t->next;
		slab_free(&timer_slab, t);
		break;
	}
	return sys_native(th);
}

/* timer_create(2): the child has none. */
void timers_after_fork(void)
{
	timers = NULL;
}
