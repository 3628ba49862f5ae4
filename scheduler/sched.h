/* SPDX-License-Identifier: MIT */
/*
 * The whole interface of the scheduler: coroutines, what they may wait for, and the carrier that
 * runs them. It knows no system call's meaning.
 *
 * A coroutine has no kernel stack. Whoever wants it to wait calls one or several of the wait_*
 * functions from its `again` function, on the carrier's stack, and returns BLOCKED; when the
 * first of them ends, all are taken down and `again` is called once more, with `woke` set.
 */
#ifndef COPATCH_SCHED_H
#define COPATCH_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "list.h"
#include "switch.h"

/* Outside the range of any result of a system call, errors and restart codes included. */
#define BLOCKED (-70000L)

enum wake {
	WAKE_EVENT = 1,   /* a descriptor, a queue or a helper */
	WAKE_TIMEOUT = 2, /* the deadline has passed */
	WAKE_SIGNAL = 4,  /* from outside: leave the call */
};

enum wait_events { WAIT_READ = 1, WAIT_WRITE = 2 };

/* Why coroutines park, for the counters. */
enum park { PARK_FD, PARK_TIME, PARK_QUEUE, PARK_HELPER, PARK_OTHER, PARK_YIELD, PARK_CAUSES };

/*
 * Brings a line into the cache, soon; any address is right. As __builtin_prefetch, whose callers
 * gcc 12 takes to be of no effect: it leaves out calls of inline functions that do nothing else.
 */
static inline void fetch_line(const void *at)
{
	__asm__ volatile("prefetcht0 (%0)" : : "r"(at));
}

struct coroutine;
struct watch_report;

struct fd_wait {
	struct list link; /* in the descriptor's list of waiters */
	struct coroutine *co;
	struct fd_wait *next; /* further descriptors of the same coroutine */
	int fd;
	short events;
};

struct coroutine {
	/* Part 1: read and written by switch_x86_64.S, do not move. */
	struct co_regs regs;
	uint64_t fs;

	/* Part 2: owned by carrier.c and turn.c. */
	long (*again)(struct coroutine *co); /* what it waits in; NULL while it runs */
	struct list run;                     /* run queue */
	struct list all;                     /* registry */
	void *vector;                        /* saved vector state, an XSAVE image, */
	void *vector_brief;                  /* or in brief; both NULL when dead */
	uint32_t mxcsr;
	uint16_t fcw;
	uint8_t abi;
	bool fresh_vector; /* starts a handler: give it the initial vector state */
	uint8_t packed;    /* vector_brief is a vector_packed: its kind, counted from 1 */
	bool live_vector;  /* its vector state is in the processor now */
	bool runnable;
	uint8_t priority; /* of a real-time policy, 1 to 99; 0 all others */
	bool round_robin; /* gives way to its equals when its slice ends */
	bool hog;         /* it computes: it has used up slices and not parked early since */
	bool notice;      /* see sched_hooks.before_run */
	uint8_t woke;     /* enum wake, for `again` */
	bool event_ends;  /* its call: woken by WAKE_EVENT alone, its registers are right already */
	bool called;      /* it has made a call since a tick was last seen to */
	uint8_t quiet;    /* ticks in a row without a call between them */
	uint8_t spun;     /* parks until its slices are no longer short: see preempt_short */
	uint32_t patience; /* nanoseconds of its next short slice */

	/* Part 3: owned by the wait_* functions. */
	uint8_t parked_by; /* enum park */
	int8_t timer_clock;
	uint32_t timer_pos; /* 1 + place in the heap, 0 when not in it */
	uint32_t queue_bits;
	struct fd_wait fd;
	struct list queue_link;
	uint64_t queue_key;  /* 0 when not in a queue */
	const void *touches; /* memory that its call is going to touch, perhaps */
	uint64_t switches;
	uint64_t since; /* time-stamp count when it last left the carrier, or began its wait */

	/* Part 3b: owned by cputime.c. */
	struct list ran;
	uint64_t cycles; /* time-stamp counts on the carrier that are not settled */
	uint64_t cpu;    /* nanoseconds of processor time, settled */

	/* Part 4: whatever the user of the scheduler has behind it: see sched_init. */
};

struct sched_hooks {
	/* Something was noted in carrier.attention; clear it. */
	void (*attend)(void);
	/* A coroutine stands at the front door with its registers saved. Result or BLOCKED. */
	long (*front)(struct coroutine *co);
	/* Its `again`. */
	long (*again)(struct coroutine *co);
	/* `again` has said `result`: put it into the registers. False: ask `again` once more. */
	bool (*finish)(struct coroutine *co, long result);
	/*
	 * The slice of the current coroutine is over, in the signal handler that `ucontext`
	 * belongs to. True: it was in program text, and its registers are saved.
	 */
	bool (*tick)(void *ucontext);
	/* co->notice is set, and program text is about to go on. */
	void (*before_run)(struct coroutine *co);
	/*
	 * Nobody can run, nobody waits for a descriptor, and no deadline is near or far: what is
	 * left are queues, helpers and signals.
	 */
	void (*stuck)(void);
	/*
	 * The coroutine has left the carrier, which it had from `began` to `now`, time-stamp
	 * counts; what it waits for, if it does, can still be seen. NULL: nobody wants to know.
	 */
	void (*left)(struct coroutine *co, uint64_t began, uint64_t now);
	/* On a kernel thread of its own: the carrier has not switched for long, see watch.h. */
	void (*blocked)(struct watch_report *report);
};

struct sched_stats {
	unsigned long made, most, switches, loops, preempted;
	unsigned long parks[PARK_CAUSES];
};

extern struct sched_hooks sched_hooks;
extern struct sched_stats sched_stats;

/* carrier.c */
/*
 * Coroutines are allocated as the first member of objects of `object_size` bytes. -ENOMEM, or
 * -ELIBACC, -ELIBBAD: no libev, or one that lacks something.
 */
int sched_init(size_t object_size, bool wrfsbase) __attribute__((warn_unused_result));
/* Bytes of an XSAVE image, and which components it holds. */
extern uint32_t co_vector_size;
extern uint64_t co_vector_mask;
struct coroutine *co_current(void);
struct coroutine *co_new(void) __attribute__((warn_unused_result));
void co_free(struct coroutine *co);
unsigned long co_alive(void);
struct list *co_registry(void); /* of coroutine.all */
/* When the current coroutine came to the carrier, in time-stamp counts. */
uint64_t co_began(void);
/* See priority.c. */
void co_set_priority(struct coroutine *co, int priority, bool round_robin);
/* Takes down every wait and makes `co` runnable; `why` is added to co->woke. */
void co_wake(struct coroutine *co, enum wake why);
void co_run_next(struct coroutine *co); /* to the head of the run queue */
void co_run_last(struct coroutine *co); /* to its tail */
/* Vector state out of the processor, where the coroutine's still is in it. */
void co_save_vector(struct coroutine *co);
/* The same as an XSAVE image of co_vector_size bytes. */
void co_vector_image(struct coroutine *co, void *to);
void *co_vector_alloc(void) __attribute__((warn_unused_result));
void co_drop_vector(struct coroutine *co);
/*
 * The current coroutine's `again` was called for the first time, by a door that saved all of its
 * registers, and said `result`. Whoever is next is the current one then, and the door goes on to
 * co_resume: calls and returns come in pairs, or the processor would guess each `ret` of the
 * program's wrong after them.
 */
void carrier_enter(struct coroutine *co, long (*again)(struct coroutine *), long result);
/* The same, of a call that has ended and left its result in the registers. */
void carrier_enter_ended(struct coroutine *co);
/*
 * Before that, with only those registers saved that C does not preserve. True: nothing is to be
 * done, go on to co_continue.
 */
bool carrier_goes_on(struct coroutine *co);
/* Its registers were saved while it ran; something was noted. As above. */
void carrier_interrupted(void);
/* Runs coroutines for ever, on the carrier's own stack. */
_Noreturn void carrier_run(void);
/* Something was noted: no wait of the loop lasts longer. For signal handlers. */
void carrier_kick(void);
/* In the child of a fork: only the current coroutine is left, and the loop is made anew. */
void sched_after_fork(void);

/* preempt.c: time slices, in nanoseconds of the carrier's processor time; 0 switches them off. */
void preempt_slice(uint64_t ns);

/* cputime.c */
/* Nanoseconds of processor time that `co` has used; never less than it was before. */
uint64_t co_cpu_time(const struct coroutine *co);
/* Time-stamp counts, by far too many once they have been turned into time; costs no call. */
uint64_t co_cycles(const struct coroutine *co);

/* watch.c: sched_hooks.blocked is called when the carrier does not switch for so long; 0: never. */
void sched_watch(uint64_t ns);
/* For good: whatever comes now may forbid the watchdog its calls. */
void sched_watch_end(void);

/* order.c: chance decides who goes on, by this seed; before sched_init. */
void sched_seed(uint64_t seed);

/* timer.c: deadlines in nanoseconds of CLOCK_REALTIME, CLOCK_MONOTONIC or CLOCK_BOOTTIME. */
uint64_t time_now(int clock);
int wait_until(struct coroutine *co, int clock, uint64_t deadline);
void timer_cancel(struct coroutine *co);

/* waitq.c: queues by key; a key is never 0. */
void wait_queue(struct coroutine *co, uint64_t key, uint32_t bits);
unsigned waitq_wake(uint64_t key, unsigned n, uint32_t bits);
unsigned waitq_requeue(uint64_t from, uint64_t to, unsigned n);
struct coroutine *waitq_first(uint64_t key);
/* From now on the doors themselves answer no wake, not even one for which nobody waits. */
void waitq_close_doors(void);
static inline void waitq_cancel(struct coroutine *co)
{
	if (co->queue_key)
		list_del(&co->queue_link);
	co->queue_key = 0;
}

/* libev.c */
/* The link namespace that libev is in, for other libraries that the program must not meet. */
long sched_namespace(void);

/* fd_wait.c, loop.c */
/*
 * What is ready is reported once, and of a file that is new a few times. Whoever waits to read has
 * looked and found nothing; or it waits for what it knows will happen, or fd_take_quiet has said
 * that there is nothing.
 */
int wait_fd(struct coroutine *co, int fd, short events);
void fd_wait_cancel(struct coroutine *co);
/* Wakes every waiter of `fd`, after `each` was called on it. */
void fd_wake_waiters(int fd, void (*each)(struct coroutine *co));
/* Wakes those who wait for `events` of `fd`. */
void fd_wake_ready(int fd, short events);
/* No number from here on was ever waited for. */
unsigned fd_table_end(void);
/*
 * The last read has taken all there was, for certain: there is nothing until epoll reports
 * something, and to try before would only cost a call. Not after the end of the stream, an error
 * or urgent data, of which there are two parts to be read.
 */
void fd_set_quiet(int fd);
/* True once, if nothing was reported since. */
bool fd_take_quiet(int fd);
/* What the loop knows of it comes into the cache, soon. */
void fd_fetch(int fd);
/*
 * The number is about to be closed or to name another file. `stays_open`: there may be another
 * number, or another process, that keeps the file open.
 */
void fd_forget(int fd, bool stays_open);
/* The number is one of our own from now on. */
void fd_claim(int fd);
/* The number is one of our own: the program must neither close nor replace it. */
bool fd_is_ours(int fd);

/* high.c */
/* A duplicate of it with a high number, out of the program's way. */
long fd_copy_high(int fd) __attribute__((warn_unused_result));

/* helper.c: a call that epoll cannot wait for, made by a kernel thread of our own. */
struct helper_job;
/*
 * Lets a helper make the call; the coroutine is woken with WAKE_EVENT when it has ended.
 * `bounded`: it ends by itself, whatever others do, and may wait for its turn. -EAGAIN: no helper
 * could be made.
 */
int wait_helper(struct coroutine *co, long nr, const long arg[6], bool bounded,
		struct helper_job **job) __attribute__((warn_unused_result));
/*
 * True and the result once the job is done; the job is gone then. NOT_BEGUN: it was interrupted
 * before its call began.
 */
bool helper_result(struct helper_job *job, long *result);
/* Makes the job's call end with -EINTR if it has not ended. */
void helper_interrupt(struct helper_job *job);
/* So many bounded calls at once, no more. */
void helper_limit(unsigned n);
/* The carrier's credentials have changed: whatever begins from now on has the new ones. */
void helper_renew(void);
unsigned helper_count(void);

#endif
