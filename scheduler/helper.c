/* SPDX-License-Identifier: MIT */
/*
 * Helpers: kernel threads that make one blocking call at a time on behalf of a coroutine. They
 * run nothing but this file, on stacks of their own, without a libc, with every signal blocked
 * but the one that interrupts them.
 */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "carrier.h"
#include "check.h"
#include "helper.h"
#include "raw.h"
#include "watch.h"

#define STACK_SIZE (32UL << 10)
/*
 * Calls that end by themselves share so many helpers, unless the user says otherwise. Those that
 * may wait for ever get one each, so that they never keep the others waiting, up to a number that
 * only a runaway reaches.
 */
#define BOUNDED 8
#define CEILING 4096

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_TAKEN };

struct helper_job {
	struct helper_job *next;
	struct coroutine *co;
	struct helper *helper;
	long nr, arg[6];
	long result;
	int tid; /* of the helper, once it has begun */
	volatile uint32_t interrupted;
	volatile uint8_t state;
	bool bounded;
};

struct helper {
	struct helper *next;    /* among the idle or the retired */
	struct helper_job *job; /* what to do now; NULL: come to an end */
	char *stack;
	unsigned generation;
	volatile uint32_t wake;  /* futex word: 1 when `job` is set */
	volatile uint32_t alive; /* the kernel clears it when the stack is no longer in use */
};

struct queue {
	struct helper_job *first, **tail;
};

static struct {
	struct slab jobs, helpers;
	struct helper *idle, *retired;
	struct queue waiting[2]; /* jobs that wait for a helper: [bounded] */
	unsigned running[2];     /* jobs that have one */
	struct helper_job *done; /* pushed by helpers, taken by the carrier */
	unsigned count, idle_count;
	unsigned limit;      /* of running[true] */
	unsigned generation; /* of credentials: older helpers get no more jobs */
	int event;           /* eventfd: `done` is not empty */
} pool = {.limit = BOUNDED, .event = -1};

static void take_done(void *arg);

/* The carrier only ever takes the whole chain, so no entry comes back while we push. */
static void push_done(struct helper_job *job)
{
	uint64_t one = 1;

	job->next = pool.done;
	while (!__atomic_compare_exchange_n(&pool.done, &job->next, job, false, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	raw3(__NR_write, pool.event, &one, sizeof(one));
}

static _Noreturn void helper_main(void *arg)
{
	struct helper *h = arg;

	raw1(__NR_set_tid_address, &h->alive);
	raw2(__NR_prctl, PR_SET_NAME, "copatch-helper");
	for (;;) {
		struct helper_job *job;

		while (!__atomic_load_n(&h->wake, __ATOMIC_ACQUIRE))
			raw4(__NR_futex, &h->wake, FUTEX_WAIT_PRIVATE, 0, 0);
		__atomic_store_n(&h->wake, 0, __ATOMIC_RELAXED);
		job = h->job;
		while (!job)
			raw1(__NR_exit, 0);
		__atomic_store_n(&job->tid, (int)raw0(__NR_gettid), __ATOMIC_SEQ_CST);
		do {
			job->result = interruptible_syscall(job->nr, job->arg, &job->interrupted);
		}
		/* The interruption was meant for the job before. */
		while ((job->result == -EINTR || job->result == NOT_BEGUN) &&
		       !__atomic_load_n(&job->interrupted, __ATOMIC_SEQ_CST));
		__atomic_store_n(&job->state, JOB_DONE, __ATOMIC_RELEASE);
		push_done(job);
	}
}

static int open_pool(void)
{
	if (pool.event >= 0)
		return 0;
	if (!pool.jobs.size) {
		slab_init(&pool.jobs, sizeof(struct helper_job));
		slab_init(&pool.helpers, sizeof(struct helper));
	}
	pool.event = fd_move_high((int)raw2(__NR_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC));
	if (pool.event < 0)
		return pool.event;
	return loop_watch(this_carrier(), pool.event, take_done, NULL) ? 0 : -ENOMEM;
}

/* A signal that comes too early for the call to end by it: see helper_x86_64.S. */
void interruptible_signal(greg_t *rip)
{
	if ((const char *)*rip >= interruptible_begin && (const char *)*rip < interruptible_end)
		*rip = (greg_t)interruptible_out;
}

/* One that has ended leaves its stack to the next. */
static struct helper *reuse_retired(void)
{
	for (struct helper **p = &pool.retired; *p; p = &(*p)->next) {
		struct helper *h = *p;

		if (__atomic_load_n(&h->alive, __ATOMIC_ACQUIRE))
			continue;
		*p = h->next;
		return h;
	}
	return NULL;
}

static struct helper *start_helper(void)
{
	struct helper *h = reuse_retired();
	uint64_t all = ~(1UL << (OWN_SIGNAL - 1)), old;
	long tid;

	if (!h)
		h = slab_alloc(&pool.helpers);
	if (!h)
		return NULL;
	if (!h->stack)
		h->stack = mem_stack(STACK_SIZE);
	if (!h->stack)
		goto fail;
	h->alive = 1;
	h->wake = 0;
	h->generation = pool.generation;
	own_signal_init();
	/* A child inherits the mask; nothing may be delivered to it, or to us in between. */
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	tid = helper_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				   CLONE_SYSVSEM,
			   h->stack + STACK_SIZE, helper_main, h, NULL);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	if (raw_failed(tid)) {
		mem_pages_free(h->stack, STACK_SIZE);
		goto fail;
	}
	pool.count++;
	return h;
fail:
	slab_free(&pool.helpers, h);
	return NULL;
}

static void give(struct helper *h, struct helper_job *job)
{
	h->job = job;
	__atomic_store_n(&h->wake, 1, __ATOMIC_RELEASE);
	raw3(__NR_futex, &h->wake, FUTEX_WAKE_PRIVATE, 1);
}

static void retire(struct helper *h)
{
	pool.count--;
	h->next = pool.retired;
	pool.retired = h;
	give(h, NULL);
}

/* False: there is no helper for it now. */
static bool begin(struct helper_job *job)
{
	struct helper *h = pool.idle;

	if (pool.running[job->bounded] >= (job->bounded ? pool.limit : CEILING))
		return false;
	if (h) {
		pool.idle = h->next;
		pool.idle_count--;
	} else {
		h = start_helper();
	}
	if (!h)
		return false;
	pool.running[job->bounded]++;
	job->state = JOB_RUNNING;
	job->helper = h;
	give(h, job);
	return true;
}

static void enqueue(struct helper_job *job)
{
	struct queue *q = &pool.waiting[job->bounded];

	if (!q->first)
		q->tail = &q->first;
	job->state = JOB_QUEUED;
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
}

int wait_helper(struct coroutine *co, long nr, const long arg[6], bool bounded,
		struct helper_job **out)
{
	struct helper_job *job;
	int err = open_pool();

	if (err)
		return err;
	job = slab_alloc(&pool.jobs);
	if (!job)
		return -ENOMEM;
	job->co = co;
	job->nr = nr;
	memcpy(job->arg, arg, sizeof(job->arg));
	job->bounded = bounded;
	if (!begin(job)) {
		/* Whoever has a helper now passes it on, if that is ever to be expected. */
		if (bounded ? !pool.running[true] : !pool.count) {
			slab_free(&pool.jobs, job);
			return -EAGAIN;
		}
		enqueue(job);
	}
	*out = job;
	co->parked_by = PARK_HELPER;
	return 0;
}

/* From the loop: helpers have finished. */
static void take_done(void *arg)
{
	struct helper_job *job, *next;
	uint64_t count;

	(void)arg;
	raw3(__NR_read, pool.event, &count, sizeof(count));
	job = __atomic_exchange_n(&pool.done, NULL, __ATOMIC_ACQUIRE);
	for (; job; job = next) {
		struct helper *h = job->helper;

		next = job->next;
		job->state = JOB_TAKEN;
		pool.running[job->bounded]--;
		if (h->generation != pool.generation || pool.idle_count >= pool.limit) {
			retire(h);
		} else {
			h->next = pool.idle;
			pool.idle = h;
			pool.idle_count++;
		}
		co_wake(job->co, WAKE_EVENT);
	}
	for (int bounded = 0; bounded < 2; bounded++) {
		struct queue *q = &pool.waiting[bounded];

		while ((job = q->first)) {
			/* Before it begins: afterwards `next` is not ours. */
			q->first = job->next;
			if (begin(job))
				continue;
			q->first = job;
			break;
		}
	}
}

bool helper_result(struct helper_job *job, long *result)
{
	if (job->state != JOB_TAKEN)
		return false;
	*result = job->result;
	slab_free(&pool.jobs, job);
	return true;
}

void helper_interrupt(struct helper_job *job)
{
	struct helper_job **q;

	if (job->state == JOB_QUEUED) {
		struct queue *in = &pool.waiting[job->bounded];

		/* Nobody works on it: it ends here, and its coroutine need not wait. */
		for (q = &in->first; *q != job; q = &(*q)->next)
			;
		*q = job->next;
		if (!*q)
			in->tail = q;
		job->state = JOB_TAKEN;
		job->result = NOT_BEGUN;
		co_wake(job->co, WAKE_EVENT);
		return;
	}
	if (job->state == JOB_TAKEN)
		return;
	__atomic_store_n(&job->interrupted, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&job->tid, __ATOMIC_SEQ_CST))
		raw3(__NR_tgkill, raw0(__NR_getpid), job->tid, OWN_SIGNAL);
}

void helper_limit(unsigned n)
{
	pool.limit = n;
}

/* Those at work end when they have finished. */
void helper_renew(void)
{
	struct helper *h;

	pool.generation++;
	while ((h = pool.idle)) {
		pool.idle = h->next;
		retire(h);
	}
	pool.idle_count = 0;
	watch_renew();
}

unsigned helper_count(void)
{
	return pool.count;
}

/* The threads are not there in the child; their stacks are, and are given up. */
void helper_after_fork(void)
{
	if (pool.event >= 0)
		raw1(__NR_close, pool.event);
	pool.event = -1;
	pool.idle = pool.retired = NULL;
	pool.waiting[false].first = pool.waiting[true].first = NULL;
	pool.running[false] = pool.running[true] = 0;
	pool.done = NULL;
	pool.count = pool.idle_count = 0;
}
