/* SPDX-License-Identifier: MIT */
/* The carrier's own state, for the scheduler's files and for the doors that the kernel enters by.
 */
#ifndef COPATCH_CARRIER_H
#define COPATCH_CARRIER_H

#include <ucontext.h>

#include "sched.h"
#include "slab.h"
#include "vector.h"

#define TIMER_CLOCKS 3
#define CACHE_LINE   64
#define CONTROL_LOST 0xffffffff /* no value of MXCSR */

struct timer_entry {
	uint64_t deadline; /* nanoseconds */
	struct coroutine *co;
};

struct timer_heap {
	struct timer_entry *entry;
	uint32_t count, room;
	int fd;         /* timerfd, -1 until needed */
	uint64_t armed; /* what it was last set to, 0 none */
	bool near;      /* no timerfd will tell of the first deadline */
};

struct carrier {
	/* Part 1: read by switch_x86_64.S at %gs, do not move. */
	struct carrier *self;
	struct coroutine *current;
	uint64_t stack_top;
	uint64_t exit_rip;
	volatile uint32_t attention; /* something was noted: see sched_hooks.attend */
	uint32_t foreign;            /* this kernel thread runs no coroutines: calls go native */
	const char *side;            /* where the stubs of the side door go, */
	const char *side_dead;       /* those at whose sites flags and vector registers are dead, */
	const char *side_c;          /* and those where only the flags are */
	/* For wakes that nobody waits for: the wait queues; NULL: every call is seen to. */
	struct list *buckets;
	volatile uint32_t ticked; /* of the slice timer, not yet seen to */
	unsigned ticks;           /* calls since it was last seen to whether a look is due */
	volatile bool short_over; /* a short slice has ended, and that was not yet seen to */
	bool acted;               /* somebody has done more than to wait in a queue: try_others */

	/* Part 2: read by the kernel at every system call, 0 allow, 1 block, nothing else. */
	volatile uint8_t selector;

	/* Part 3: owned by carrier.c and turn.c. */
	volatile bool in_loop; /* inside libev, which is not in our text */
	bool idle;             /* the loop was entered with nobody left to run */
	bool loop_opening;     /* move the descriptors that libev makes to high numbers */
	uint8_t selector_on;   /* what `selector` is outside libev: 1 once dispatch is armed */
	bool wrfsbase;
	/* Control words, as the last coroutine has left them; */
	uint16_t fcw;
	uint32_t mxcsr; /* CONTROL_LOST: others are loaded now */
	uint64_t fs_loaded;
	uint64_t fs_main; /* libev and its libc have their TLS there */
	struct list runq;
	struct list hogs;                /* runnable too, behind those of `runq` */
	struct list urgent;              /* before all of them, by priority */
	const struct coroutine *fetched; /* whose memory is on its way into the cache */
	uint64_t kept_since;    /* time-stamp count since when they keep others waiting, 0 not */
	uint64_t kept_from;     /* the processor time then, 0 not looked up */
	uint64_t relents_until; /* priorities do not bind before, 0 they do */
	uint64_t hog_since;     /* time-stamp count when one of them got on last */
	struct list all;
	unsigned long alive;
	uint64_t look_again;           /* counts to wait after that */
	uint64_t looked;               /* time-stamp count after the last look at the loop */
	uint32_t slice_used;           /* ticks since the last switch */
	volatile bool short_slice;     /* the current coroutine has one: see preempt_short */
	bool woke_many;                /* somebody has woken several at once: see turn_is_over */
	const struct coroutine *tried; /* its slice has ended early, see try_others, */
	uint32_t tried_for;            /* and was to last so long */
	struct slab coroutines, vectors, vectors_brief, vectors_packed[VECTOR_KINDS];

	/* Part 3b: owned by cputime.c. */
	struct list ran;   /* coroutines with counts that are not settled */
	uint64_t began;    /* time-stamp count when the current coroutine came */
	uint64_t since;    /* the same of the last switch */
	uint64_t cycles;   /* sum of all counts, of ended ones too, since it was settled */
	uint64_t cpu_seen; /* the carrier's processor time then, in nanoseconds */

	/* Part 4: owned by loop.c and fd_wait.c. */
	struct ev_loop *loop; /* NULL: make a new one before use */
	int epoll_fd;         /* libev's, -1 unknown */
	int kick;             /* eventfd that ends the loop's wait, -1 none */
	struct loop_fd *dirty;
	unsigned long fd_waiters; /* coroutines that wait for a descriptor */
	struct slab fd_waits;
	/* Part 5: owned by timer.c. */
	struct timer_heap timers[TIMER_CLOCKS];

	/* Part 6: owned by whoever sets `side`, for those who look from outside. */
	const void *stubs;
};

static inline struct carrier *this_carrier(void)
{
	struct carrier *c;

	__asm__("mov %%gs:0, %0" : "=r"(c));
	return c;
}

/* What %gs points at in a kernel thread that shares our memory and runs no coroutines. */
extern struct carrier carrier_foreign;

void carrier_set_fs(uint64_t fs);

/* vector.c */
void vector_init(struct carrier *ca);
void vector_save(struct carrier *ca, struct coroutine *co);
void vector_load(struct coroutine *co);

/* Vector state out of the processor, where the coroutine's still is in it. */
static inline void vector_leave(struct carrier *ca, struct coroutine *co)
{
	if (!co->live_vector)
		return;
	co->live_vector = false;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(co->mxcsr), "=m"(co->fcw));
	ca->mxcsr = co->mxcsr;
	ca->fcw = co->fcw;
	if (co->abi != ABI_C)
		vector_save(ca, co);
}

/* Into the processor, whatever is in it. */
static inline void vector_enter(struct carrier *ca, struct coroutine *co)
{
	/* Mostly the registers are dead, and the control words the same as before. */
	if (co->vector || co->vector_brief || co->fresh_vector || ca->mxcsr != co->mxcsr ||
	    ca->fcw != co->fcw)
		vector_load(co);
	/* It may end, or be taken off, without a word. */
	ca->mxcsr = CONTROL_LOST;
	co->live_vector = true;
}

static inline bool carrier_idle(const struct carrier *ca)
{
	return list_empty(&ca->runq) && list_empty(&ca->hogs) && list_empty(&ca->urgent);
}

/* order.c: 0: no seed, first come, first served. */
extern uint64_t order_state;

/* turn.c */
/* The loop, which waits only if `wait`. */
void turn_look(struct carrier *ca, bool wait);
/* Program text is about to go on: how soon is a timer to look at what it does? */
void turn_begin(struct carrier *ca, struct coroutine *co);
/* After a call that did not block, most of the time: nothing to look after. */
static inline bool turn_goes_on(struct carrier *ca, struct coroutine *co)
{
	if (co->priority | co->hog | ca->short_over || ca->ticked || order_state ||
	    ca->urgent.next != &ca->urgent || ca->ticks + 1 >= TURN_CALLS)
		return false;
	ca->ticks++;
	co->called = ca->acted = true;
	return true;
}
/*
 * After a call that did not block: now and then somebody else's turn, since a coroutine whose
 * calls never block would keep the carrier for ever. True: the current one was put last.
 */
bool turn_is_over(struct carrier *ca, struct coroutine *co);
/* Something was noted, or a timer has fired in program text. True as above. */
bool turn_is_interrupted(struct carrier *ca, struct coroutine *co);

/* priority.c */
/* Makes `co`, which has a priority, runnable: before its equals or behind them. */
void prio_queue(struct carrier *ca, struct coroutine *co, bool before);
/* Whether those of `urgent`, which is not empty, go before the others now. */
bool prio_first(struct carrier *ca);
/* They do not bind at the moment. */
bool prio_relents(struct carrier *ca);
/* Whether the rules of priority say who runs after `co`. */
static inline bool prio_rules(struct carrier *ca, const struct coroutine *co)
{
	return (co->priority || !list_empty(&ca->urgent)) && !prio_relents(ca);
}
/* They do: whether `co`, which runs, gives way; `over`: its slice has ended. */
bool prio_gives_way(struct carrier *ca, const struct coroutine *co, bool over);

/* loop.c */
/* Loads libev. -ELIBACC: there is none; -ELIBBAD: it lacks something. */
int loop_init(struct carrier *ca) __attribute__((warn_unused_result));
void loop_open(struct carrier *ca);
void loop_after_fork(struct carrier *ca);
/* Tells libev what has changed and lets it look; waits only if `wait`. */
void loop_run(struct carrier *ca, bool wait);
/* Calls `fn` in the loop whenever `fd`, one of our own, is readable. */
struct loop_fd *loop_watch(struct carrier *ca, int fd, void (*fn)(void *), void *arg)
	__attribute__((warn_unused_result));

/* high.c: moves a descriptor of ours out of the program's way, to a high number. */
int fd_move_high(int fd) __attribute__((warn_unused_result));

/* timer.c */
void timer_init(struct carrier *ca);
void timer_open(struct carrier *ca);
/* Before the kernel is asked; true: do not wait there, but come to timer_look at once. */
bool timer_arm(struct carrier *ca) __attribute__((warn_unused_result));
/* Afterwards. */
void timer_look(struct carrier *ca);
/* Whether there is any deadline. */
bool timer_any(const struct carrier *ca);
void timer_after_fork(struct carrier *ca);

/* waitq.c */
int waitq_init(struct carrier *ca) __attribute__((warn_unused_result));

/* helper.c */
void helper_after_fork(void);

/* order.c */
/* Whether a coroutine whose call did not block makes way for the others. */
bool order_makes_way(void);
/* Whose turn it is, of a queue that is not empty. */
struct list *order_pick(struct list *from);

/* preempt.c */
void preempt_start(struct carrier *ca);
/* Somebody who computes goes on: tick once, soon. */
void preempt_fine(void);
/*
 * A short slice begins. Threads that spin wait for others, which cannot go on meanwhile: whole
 * slices of it make them right, but slow. So who was seen to compute from one tick to the next
 * without a call gets short ones while others are runnable. False: it computes after all.
 */
bool preempt_short(const struct coroutine *co);
/* How long is the next one? Longer after each without a call, shorter after each with one. */
void preempt_patience(struct coroutine *co);
/* The same after one of `ns` that was in vain. */
void preempt_longer(struct coroutine *co, uint32_t ns);
/* Whether somebody has had a whole slice who has had so many ticks. */
bool preempt_slice_is_over(uint32_t ticks);
void preempt_after_fork(void);

#endif
