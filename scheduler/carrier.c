/* SPDX-License-Identifier: MIT */
/* The carrier: the kernel thread that runs coroutines, their run queue, parking and resuming. */
#include "carrier.h"

#include <string.h>

#include "check.h"
#include "cputime.h"
#include "raw.h"
#include "vector.h"
#include "watch.h"

#define STACK_SIZE (256UL << 10)
/* So many milliseconds those who compute wait for others who do not. */
#define HOGS_WAIT 10
/* State of cancellation in the struct pthread of glibc 2.36, which it looks up around each wait. */
#define LIBC_THREAD 0x300
#define SET_GS      0x1001 /* asm/prctl.h */
#define SET_FS      0x1002
#define GET_FS      0x1003

_Static_assert(offsetof(struct co_regs, flags) == R_FLAGS, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, sp) == R_RSP, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, ip) == R_RIP, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, bx) == R_RBX, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, ax) == R_RAX, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, r15) == R_R15, "switch_x86_64.S");
_Static_assert(offsetof(struct coroutine, regs) == 0, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, current) == CA_CURRENT, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, stack_top) == CA_STACK, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, exit_rip) == CA_EXIT_RIP, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, attention) == CA_ATTENTION, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, foreign) == CA_FOREIGN, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, side) == CA_SIDE, "patch_plan.c");
_Static_assert(offsetof(struct carrier, side_c) == CA_SIDE_C, "patch_plan.c");
_Static_assert(offsetof(struct carrier, side_dead) == CA_SIDE_DEAD, "patch_plan.c");
_Static_assert(offsetof(struct carrier, buckets) == CA_BUCKETS, "side_x86_64.S");
_Static_assert(offsetof(struct carrier, ticked) == CA_TICKED, "side_x86_64.S");
_Static_assert(offsetof(struct carrier, ticks) == CA_TICKS, "side_x86_64.S");
_Static_assert(offsetof(struct carrier, acted) == CA_ACTED, "side_x86_64.S");
_Static_assert(offsetof(struct carrier, short_over) == CA_SHORT_OVER, "side_x86_64.S");
_Static_assert(offsetof(struct coroutine, hog) == CO_HOG, "side_x86_64.S");
_Static_assert(offsetof(struct coroutine, called) == CO_CALLED, "side_x86_64.S");

struct sched_hooks sched_hooks;
struct sched_stats sched_stats;
struct carrier carrier_foreign = {.self = &carrier_foreign, .foreign = 1, .kick = -1};

int sched_init(size_t object_size, bool wrfsbase)
{
	char *stack = mem_stack(STACK_SIZE);
	struct carrier *ca = mem_pages((sizeof(*ca) + 4095) & ~4095UL);
	int err;

	if (!ca || !stack)
		return -ENOMEM;
	ca->self = ca;
	ca->stack_top = (uint64_t)stack + STACK_SIZE;
	ca->wrfsbase = wrfsbase;
	ca->mxcsr = CONTROL_LOST;
	stamp_init();
	ca->since = ca->began = stamp_now();
	slab_init(&ca->coroutines, (object_size + CACHE_LINE - 1) & ~(CACHE_LINE - 1UL));
	vector_init(ca);
	list_init(&ca->runq);
	list_init(&ca->hogs);
	list_init(&ca->urgent);
	list_init(&ca->all);
	list_init(&ca->ran);
	raw2(__NR_arch_prctl, GET_FS, &ca->fs_main);
	ca->fs_loaded = ca->fs_main;
	timer_init(ca);
	err = waitq_init(ca);
	if (!err)
		err = loop_init(ca);
	if (!err)
		err = (int)raw2(__NR_arch_prctl, SET_GS, ca);
	return err;
}

struct coroutine *co_current(void)
{
	return this_carrier()->current;
}

uint64_t co_began(void)
{
	return this_carrier()->began;
}

unsigned long co_alive(void)
{
	return this_carrier()->alive;
}

struct list *co_registry(void)
{
	return &this_carrier()->all;
}

struct coroutine *co_new(void)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = slab_alloc(&ca->coroutines);

	if (!co)
		return NULL;
	list_init(&co->run);
	list_init(&co->queue_link);
	list_init(&co->fd.link);
	list_init(&co->ran);
	co->fd.fd = -1;
	co->parked_by = PARK_OTHER;
	co->mxcsr = VECTOR_MXCSR;
	co->fcw = VECTOR_FCW;
	co->regs.flags = 0x202;
	co->since = ca->since;
	list_add_tail(&ca->all, &co->all);
	sched_stats.made++;
	if (++ca->alive > sched_stats.most)
		sched_stats.most = ca->alive;
	if (ca->alive == 2)
		preempt_start(ca);
	return co;
}

/* Asked here, most of the time there is nothing to call for. */
static inline void cancel_waits(struct coroutine *co)
{
	if (co->timer_pos)
		timer_cancel(co);
	waitq_cancel(co);
	if (co->fd.fd >= 0)
		fd_wait_cancel(co);
}

void co_free(struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	cancel_waits(co);
	co_drop_vector(co);
	list_del(&co->run);
	list_del(&co->all);
	list_del(&co->ran);
	ca->alive--;
	ca->acted = true;
	if (ca->current == co)
		ca->current = NULL;
	slab_free(&ca->coroutines, co);
}

static inline void load_fs(struct carrier *ca, uint64_t fs)
{
	if (ca->fs_loaded == fs)
		return;
	ca->fs_loaded = fs;
	if (ca->wrfsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(fs));
	else
		raw2(__NR_arch_prctl, SET_FS, fs);
}

void carrier_set_fs(uint64_t fs)
{
	load_fs(this_carrier(), fs);
}

static inline void run_last(struct carrier *ca, struct coroutine *co)
{
	if (co->runnable)
		return;
	co->runnable = true;
	if (co->priority)
		prio_queue(ca, co, false);
	else
		list_add_tail(co->hog ? &ca->hogs : &ca->runq, &co->run);
}

void co_run_last(struct coroutine *co)
{
	run_last(this_carrier(), co);
}

void co_run_next(struct coroutine *co)
{
	if (co->runnable)
		list_del(&co->run);
	co->runnable = true;
	if (co->priority)
		prio_queue(this_carrier(), co, true);
	else
		list_add_head(&this_carrier()->runq, &co->run);
}

void co_wake(struct coroutine *co, enum wake why)
{
	if (!co->again)
		return; /* it runs, or is runnable and in no call */
	cancel_waits(co);
	co->woke |= why;
	run_last(this_carrier(), co);
}

static struct coroutine *runq_pop(struct carrier *ca)
{
	struct list *from = &ca->runq;
	struct coroutine *co;
	struct list *l;

	if (!list_empty(&ca->urgent) && prio_first(ca)) {
		from = &ca->urgent;
	} else if (!list_empty(&ca->hogs) &&
		   (list_empty(from) || ca->since - ca->hog_since > HOGS_WAIT * stamp_per_ms)) {
		from = &ca->hogs;
		ca->hog_since = ca->since;
	}
	if (list_empty(from))
		return NULL;
	if (from != &ca->urgent)
		ca->kept_since = 0;
	l = order_state && from != &ca->urgent ? order_pick(from) : from->next;
	co = container_of(l, struct coroutine, run);
	list_del(&co->run);
	co->runnable = false;
	return co;
}

static inline __attribute__((always_inline)) void park(struct carrier *ca, struct coroutine *co,
						       long (*again)(struct coroutine *))
{
	co->woke = 0;
	co->again = again;
	co->called = true;
	ca->acted |= co->parked_by != PARK_QUEUE;
	if (co->hog)
		co->hog = ca->slice_used; /* it has computed again */
	if (co->spun)
		co->spun--;
	vector_leave(ca, co);
	sched_stats.parks[co->parked_by]++;
}

/*
 * The end of a call, or a further try of it. True: the coroutine may go on in program text;
 * false: it has parked, or it is no more.
 */
static inline __attribute__((always_inline)) bool
call_ends(struct carrier *ca, struct coroutine *co, long (*again)(struct coroutine *), long result)
{
	for (;;) {
		if (ca->current != co)
			return false;
		if (result == BLOCKED) {
			park(ca, co, again);
			return false;
		}
		co->woke = 0;
		co->again = NULL;
		cancel_waits(co); /* what was armed before an error */
		if (sched_hooks.finish(co, result))
			return true;
		result = again(co);
	}
}

/* Program text goes on as soon as we are back at the door: see co_resume. */
static inline void run_text(struct carrier *ca, struct coroutine *co)
{
	if (co->notice)
		sched_hooks.before_run(co);
	load_fs(ca, co->fs);
	if (!co->live_vector)
		vector_enter(ca, co);
}

/* The current coroutine, if there is one still, has had the carrier until now. */
static inline void leave(struct carrier *ca)
{
	cpu_charge(ca, ca->current);
	if (sched_hooks.left && ca->current)
		sched_hooks.left(ca->current, ca->began, ca->since);
}

/* Its stack, what libc knows of its thread, and where its call is going to write. */
static inline void fetch(const struct coroutine *co)
{
	const char *stack = (const char *)co->regs.sp, *thread = (const char *)co->fs;

	for (size_t i = 0; i < 3 * CACHE_LINE; i += CACHE_LINE)
		fetch_line(stack + i);
	fetch_line(thread);
	fetch_line(thread + LIBC_THREAD);
	fetch_line(co->touches);
}

/*
 * Of a thousand coroutines none is in the cache when its turn comes. So while one runs, the next
 * one is fetched, and what is known of the one after that.
 */
static inline void fetch_ahead(struct carrier *ca)
{
	const struct coroutine *next = container_of(ca->runq.next, struct coroutine, run);
	const char *co;

	ca->fetched = NULL;
	if (list_empty(&ca->runq))
		return;
	ca->fetched = next;
	fetch(next);
	co = (const char *)container_of(next->run.next, struct coroutine, run);
	for (size_t i = 0; i < ca->coroutines.size; i += CACHE_LINE)
		fetch_line(co + i);
}

/* True: it was woken by what ends its call, and nobody has to look why. */
static inline bool woken_is_all(struct coroutine *co)
{
	bool all = co->event_ends && co->woke == WAKE_EVENT;

	co->event_ends = false;
	if (all) {
		co->again = NULL;
		co->woke = 0;
	}
	return all;
}

/* Who is next, when it is not plainly the first of those that do not compute. */
static __attribute__((noinline)) struct coroutine *choose(struct carrier *ca)
{
	struct coroutine *co;

	do {
		if (ca->attention)
			sched_hooks.attend();
		if (carrier_idle(ca) || ca->since - ca->looked > ca->look_again) {
			turn_look(ca, carrier_idle(ca));
			ca->since = ca->looked; /* nobody's time */
		}
		co = runq_pop(ca);
	} while (!co);
	return co;
}

static inline struct coroutine *next_of(struct carrier *ca)
{
	struct coroutine *co;

	if (list_empty(&ca->runq) || !list_empty(&ca->hogs) || !list_empty(&ca->urgent) ||
	    order_state || ca->attention || ca->since - ca->looked > ca->look_again)
		return choose(ca);
	ca->kept_since = 0;
	co = container_of(ca->runq.next, struct coroutine, run);
	list_del(&co->run);
	co->runnable = false;
	return co;
}

static void run_next(struct carrier *ca)
{
	leave(ca);
	if (ca->current)
		ca->current->since = ca->since;
	for (;;) {
		struct coroutine *co;
		bool fetched;

		ca->current = NULL;
		co = next_of(ca);
		ca->current = co;
		ca->began = ca->since;
		co->parked_by = PARK_OTHER;
		ca->ticked = 0;
		ca->short_slice = ca->short_over = false;
		ca->slice_used = 0;
		co->switches++;
		sched_stats.switches++;
		fetched = ca->fetched == co;
		fetch_ahead(ca);
		if (!fetched && co->again)
			fetch(co); /* all at once, while the kernel is asked */
		if (co->again && !woken_is_all(co) &&
		    !call_ends(ca, co, co->again, co->again(co))) {
			leave(ca); /* its wait goes on: `since` stays */
			continue;
		}
		if (co->spun || co->hog) /* for nobody else does it do anything */
			turn_begin(ca, co);
		run_text(ca, co);
		return;
	}
}

_Noreturn void carrier_run(void)
{
	run_next(this_carrier());
	co_resume();
}

static __attribute__((noinline)) void enter_ended(struct carrier *ca, struct coroutine *co,
						  long (*again)(struct coroutine *), long result)
{
	if (call_ends(ca, co, again, result) && !turn_is_over(ca, co))
		run_text(ca, co);
	else
		run_next(ca);
}

void carrier_enter(struct coroutine *co, long (*again)(struct coroutine *), long result)
{
	struct carrier *ca = this_carrier();

	if (result != BLOCKED || ca->current != co) {
		enter_ended(ca, co, again, result);
		return;
	}
	park(ca, co, again);
	run_next(ca);
}

void carrier_enter_ended(struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	if (turn_is_over(ca, co))
		run_next(ca);
	else
		run_text(ca, co);
}

bool carrier_goes_on(struct coroutine *co)
{
	return !co->notice && turn_goes_on(this_carrier(), co);
}

/* From co_syscall. True: the coroutine goes on at once, and only its result is new. */
bool carrier_enter_front(struct coroutine *co)
{
	struct carrier *ca = this_carrier();
	long result;

	co->abi = ABI_C;
	co->live_vector = true;
	result = sched_hooks.front(co);
	if (call_ends(ca, co, sched_hooks.again, result) && !turn_is_over(ca, co)) {
		if (co->live_vector && !co->notice)
			return true;
		run_text(ca, co);
	} else {
		run_next(ca);
	}
	return false;
}

void carrier_interrupted(void)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = ca->current;

	if (!turn_is_interrupted(ca, co)) {
		turn_begin(ca, co);
		run_text(ca, co);
		return;
	}
	sched_stats.preempted++;
	run_next(ca);
}

void carrier_kick(void)
{
	uint64_t one = 1;

	if (this_carrier()->kick >= 0)
		raw3(__NR_write, this_carrier()->kick, &one, sizeof(one));
}

void sched_after_fork(void)
{
	struct carrier *ca = this_carrier();

	list_for_each_safe (l, tmp, &ca->all) {
		struct coroutine *co = container_of(l, struct coroutine, all);

		if (co != ca->current)
			co_free(co);
	}
	cpu_after_fork(ca);
	preempt_after_fork();
	loop_after_fork(ca);
	timer_after_fork(ca);
	helper_after_fork();
	watch_after_fork();
}
