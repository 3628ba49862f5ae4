/* SPDX-License-Identifier: MIT */
/* A thread of the program: a coroutine, and what the kernel would know of it. */
#ifndef COPATCH_THREAD_H
#define COPATCH_THREAD_H

#include <signal.h>

#include "../scheduler/sched.h"

/*
 * Results that no program ever sees, as inside the kernel (include/linux/errno.h): the call was
 * interrupted by a signal. What becomes of it depends on the handler, if there is one.
 */
#define ERESTARTSYS    512 /* made again if the handler has SA_RESTART, else EINTR */
#define ERESTARTNOINTR 513 /* made again in any case */
#define ERESTARTNOHAND 514 /* EINTR after any handler */

#define NO_RESULT (-70001L) /* the registers are right as they are */

/*
 * The front door's number of a call that is to come back instead of waiting: with CALL_WOULD_WAIT
 * less the bytes that went through. Made again, it has them above the number.
 */
#define CALL_SOON       (1L << 30)
#define CALL_WOULD_WAIT (-70002L)
#define CALL_DONE_SHIFT 32

struct signal_queue {
	uint64_t set; /* bit n - 1: signal n is in the queue */
	struct list entries;
};

struct thread {
	struct coroutine co;

	/* Part 1: the call it is in. Cleared when a new one comes to a door. */
	struct {
		long nr;
		long arg[6];
		struct helper_job *job;
		uint64_t deadline; /* nanoseconds of `clock`, once `timed` */
		uint64_t done;     /* bytes or messages that went through */
		uint64_t mask;     /* to put back when it ends, if `mask_saved` */
		uint64_t sigwait;  /* blocked signals that end it all the same */
		uint64_t place;    /* in the file, of the `piece` bytes that a helper moves */
		uint64_t piece;
		int held; /* the file, when its number was closed under us; else -1 */
		int clock;
		bool front;
		bool timed;
		bool mask_saved;
		bool begun; /* whatever a handler does once has been done */
		bool soon;  /* see CALL_SOON */
		uint8_t kind;
	} call;
	/* trace.c: the beginning of its wait is in the file, the end is not. */
	bool trace_waits;

	/* Part 2: owned by sys_thread.c. */
	int tid;
	uint32_t seen_by; /* of deadlock.c */
	char name[16];
	uint64_t clear_tid; /* address of the word to clear at its end */
	uint64_t robust_head;
	bool pi_awaited; /* somebody has waited for a lock with inheritance that was its */

	/*
	 * Part 2b: owned by sys_sched.c. Only real-time priorities bind, in co.priority. Main's are
	 * the kernel's, and here as they were when the program last set them.
	 */
	struct {
		struct affinity *affinity; /* NULL: the carrier's; main's always */
		int policy;
		int8_t nice, priority;
		int8_t boost; /* the highest priority of those who wait for a PI lock of its */
	} sched;

	/* Part 3: owned by the signal files. */
	uint64_t mask;
	struct signal_queue pending;
	stack_t altstack;
};

/* Which processors it may run on; threads have it from the one that has made them. */
struct affinity {
	uint64_t mask[16];
	unsigned users;
};

static inline struct thread *thread_of(struct coroutine *co)
{
	return container_of(co, struct thread, co);
}

/* sys_thread.c */
/* The thread that the process begins with becomes the current coroutine. */
int thread_init(void) __attribute__((warn_unused_result));
struct thread *thread_by_tid(int tid); /* NULL: no thread of this process */
void thread_after_fork(struct thread *th);
extern int process_id;

/* registry.c: what debuggers and `copatch ps` read is right from here on. */
void registry_open(void);
void registry_after_fork(void);

/* sys_sched.c */
void affinity_leave(struct thread *th);

/* sys_time.c */
/* Nanoseconds of a valid time; what is further away than 146 years is there. */
uint64_t time_to_ns(const struct timespec *ts);
/* Sets the call's deadline, the first time, to `ns` nanoseconds from now. */
void call_timeout(struct thread *th, uint64_t ns);
/* Waits for the call's deadline too, if it has one. */
int call_wait_deadline(struct thread *th) __attribute__((warn_unused_result));

#endif
