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
/*
 * At a switch, or after so many calls, the loop is looked at, so that I/O and timers never starve;
 * but not twice in so many time-stamp counts, about 1 ms: a look costs as much as ten switches,
 * and shows once more what those who are about to run have been woken for.
 */
#define TICKS      64
#define LOOK_AGAIN 2500000
/* So long, about 10 ms, those who compute wait for others who do not. */
#define HOGS_WAIT 25000000
/* Who has spun once is taken to do so again until it has parked so many times without. */
#define SPUN 16
/* Who makes no call between so many ticks and one more spins, or computes. */
#define QUIET 2

#define SET_GS 0x1001 /* asm/prctl.h */
#define SET_FS 0x1002
#define GET_FS 0x1003

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
	ca->since = ca->began = __builtin_ia32_rdtsc();
	slab_init(&ca->coroutines, object_size);
	vector_init(ca);
	list_init(&ca->runq);
	list_init(&ca->hogs);
	list_init(&ca->urgent);
	list_init(&ca->all);
	list_init(&ca->ran);
	raw2(__NR_arch_prctl, GET_FS, &ca->fs_main);
	ca->fs_loaded = ca->fs_main;
	timer_init(ca);
	err = waitq_init();
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

/* Twice a call: asked here, most of the time there is nothing to call for. */
static void cancel_waits(struct coroutine *co)
{
	if (co->timer_pos)
		timer_cancel(co);
	if (co->queue_key)
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
	if (ca->current == co)
		ca->current = NULL;
	slab_free(&ca->coroutines, co);
}

void carrier_set_fs(uint64_t fs)
{
	struct carrier *ca = this_carrier();

	if (ca->fs_loaded == fs)
		return;
	ca->fs_loaded = fs;
	if (ca->wrfsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(fs));
	else
		raw2(__NR_arch_prctl, SET_FS, fs);
}

void co_run_last(struct coroutine *co)
{
	if (co->runnable)
		return;
	co->runnable = true;
	if (co->priority)
		prio_queue(this_carrier(), co, false);
	else
		list_add_tail(co->hog ? &this_carrier()->hogs : &this_carrier()->runq, &co->run);
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
	co_run_last(co);
}

static struct coroutine *runq_pop(struct carrier *ca)
{
	struct list *from = &ca->runq;
	struct coroutine *co;
	struct list *l;

	if (!list_empty(&ca->urgent) && prio_first(ca)) {
		from = &ca->urgent;
	} else if (!list_empty(&ca->hogs) &&
		   (list_empty(from) || ca->since - ca->hog_since > HOGS_WAIT)) {
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

/*
 * The end of a call, or a further try of it. True: the coroutine may go on in program text;
 * false: it has parked, or it is no more.
 */
static bool call_ends(struct carrier *ca, struct coroutine *co, long (*again)(struct coroutine *),
		      long result)
{
	for (;;) {
		if (ca->current != co)
			return false;
		co->woke = 0;
		if (result == BLOCKED) {
			co->again = again;
			co->hog &= ca->slice_used != 0; /* it has computed again */
			co->called = true;
			co->spun -= co->spun > 0;
			co_save_vector(co);
			sched_stats.parks[co->parked_by]++;
			return false;
		}
		co->again = NULL;
		cancel_waits(co); /* what was armed before an error */
		if (sched_hooks.finish(co, result))
			return true;
		result = again(co);
	}
}

static _Noreturn void run_text(struct coroutine *co)
{
	if (co->notice)
		sched_hooks.before_run(co);
	carrier_set_fs(co->fs);
	if (!co->live_vector)
		vector_load(co);
	co_resume();
}

/* Program text is about to go on: how soon is a timer to look at what it does? */
static void begin_slice(struct carrier *ca, struct coroutine *co)
{
	ca->short_slice = false;
	if (co->spun && !carrier_idle(ca))
		ca->short_slice = preempt_short(co);
	if (co->hog && !ca->short_slice)
		preempt_fine();
}

static void look(struct carrier *ca, bool wait)
{
	uint64_t begun = __builtin_ia32_rdtsc(), cost;

	if (wait && !ca->fd_waiters && sched_hooks.stuck && !timer_any(ca))
		sched_hooks.stuck();
	ca->ticks = 0;
	loop_run(ca, wait);
	ca->looked = __builtin_ia32_rdtsc();
	/* With thousands of descriptors ready a look takes milliseconds: a tenth of the time. */
	cost = wait ? 0 : ca->looked - begun;
	ca->look_again = cost * 10 > LOOK_AGAIN ? cost * 10 : LOOK_AGAIN;
}

static bool look_is_due(struct carrier *ca)
{
	ca->ticks = 0;
	return order_state || __builtin_ia32_rdtsc() - ca->looked > ca->look_again;
}

/* The current coroutine, if there is one still, has had the carrier until now. */
static void leave(struct carrier *ca)
{
	cpu_charge(ca, ca->current);
	if (sched_hooks.left && ca->current)
		sched_hooks.left(ca->current, ca->began, ca->since);
}

_Noreturn void carrier_run(void)
{
	struct carrier *ca = this_carrier();

	leave(ca);
	if (ca->current)
		ca->current->since = ca->since;
	for (;;) {
		struct coroutine *co;

		ca->current = NULL;
		if (ca->attention)
			sched_hooks.attend();
		if (carrier_idle(ca) || ca->since - ca->looked > ca->look_again) {
			look(ca, carrier_idle(ca));
			cpu_charge(ca, NULL);
		}
		co = runq_pop(ca);
		if (!co)
			continue;
		ca->current = co;
		ca->began = ca->since;
		co->parked_by = PARK_OTHER;
		ca->ticked = 0;
		ca->short_slice = ca->short_over = false;
		ca->slice_used = 0;
		co->switches++;
		sched_stats.switches++;
		if (co->again && !call_ends(ca, co, co->again, co->again(co))) {
			leave(ca); /* its wait goes on: `since` stays */
			continue;
		}
		begin_slice(ca, co);
		run_text(co);
	}
}

/* The slice timer has ticked. True: the slice of `co` is over. */
static bool slice_is_over(struct carrier *ca, struct coroutine *co)
{
	ca->slice_used += ca->ticked;
	ca->ticked = 0;
	if (!preempt_slice_is_over(ca->slice_used))
		return false;
	ca->slice_used = 0;
	co->hog = true;
	cpu_charge(ca, co);
	cpu_settle(ca);
	return true;
}

/* The same with a seed, where nothing goes by time. */
static bool turn_is_over_by_chance(struct carrier *ca, struct coroutine *co)
{
	if (ca->alive < 2)
		return false;
	co_save_vector(co); /* libev uses vector registers */
	if (++ca->ticks >= TICKS)
		look(ca, false);
	if (carrier_idle(ca) || !order_makes_way())
		return false;
	co_run_last(co);
	return true;
}

/* Where priorities say who is next. True: not this one, which was put where it belongs. */
static bool gives_way(struct carrier *ca, struct coroutine *co, bool over)
{
	if (!prio_gives_way(ca, co, over))
		return false;
	co_save_vector(co);
	if (co->priority ? over && co->round_robin : over || co->hog)
		co_run_last(co);
	else
		co_run_next(co);
	return true;
}

/* A call that did not block has ended. */
static bool urgent_turn_is_over(struct carrier *ca, struct coroutine *co)
{
	bool over = ca->ticked && slice_is_over(ca, co);

	if (++ca->ticks >= TICKS || over) {
		co_save_vector(co);
		if (look_is_due(ca))
			look(ca, false);
	}
	return gives_way(ca, co, over);
}

/*
 * After a call that did not block: now and then somebody else's turn, since a coroutine whose
 * calls never block would keep the carrier for ever. True: the current one was put last.
 */
static bool turn_is_over(struct carrier *ca, struct coroutine *co)
{
	co->called = true;
	if (prio_rules(ca, co))
		return urgent_turn_is_over(ca, co);
	if (order_state)
		return turn_is_over_by_chance(ca, co);
	/* Whom it has woken needs what it has let go of: hardly ever does a slice end then. */
	if (co->hog && !list_empty(&ca->runq)) {
		co_save_vector(co);
		co_run_last(co);
		return true;
	}
	if ((++ca->ticks < TICKS && !ca->ticked && !ca->short_over) || ca->alive < 2)
		return false;
	ca->short_over = false;
	if (ca->ticked)
		slice_is_over(ca, co);
	co_save_vector(co); /* libev uses vector registers */
	if (look_is_due(ca))
		look(ca, false);
	if (carrier_idle(ca))
		return false;
	co_run_last(co);
	return true;
}

_Noreturn void carrier_enter(struct coroutine *co, long (*again)(struct coroutine *), long result)
{
	struct carrier *ca = this_carrier();

	if (call_ends(ca, co, again, result) && !turn_is_over(ca, co))
		run_text(co);
	carrier_run();
}

/* From co_syscall. Returns only if the coroutine goes on at once. */
long carrier_enter_front(struct coroutine *co)
{
	struct carrier *ca = this_carrier();
	long result;

	co->abi = ABI_C;
	co->live_vector = true;
	result = sched_hooks.front(co);
	if (call_ends(ca, co, sched_hooks.again, result) && !turn_is_over(ca, co)) {
		if (co->live_vector && !co->notice)
			return (long)co->regs.ax;
		run_text(co);
	}
	carrier_run();
}

/*
 * Whom the clock has woken since the last tick goes before those who were runnable already:
 * behind them, a thread that waits with a timeout, in a queue of its own making, would lose its
 * place there to a newcomer each time (CPython's interpreter lock: two threads passed it to one
 * another for ever). True: somebody was woken.
 */
static bool look_after_tick(struct carrier *ca)
{
	struct list before, timely;
	bool woken;

	co_save_vector(ca->current);
	list_take(&before, &ca->runq);
	loop_run(ca, false);
	ca->looked = __builtin_ia32_rdtsc();
	woken = !list_empty(&ca->runq);
	list_init(&timely);
	list_for_each_safe (l, tmp, &ca->runq) {
		if (!(container_of(l, struct coroutine, run)->woke & WAKE_TIMEOUT))
			continue;
		list_del(l);
		list_add_tail(&timely, l);
	}
	list_join(&before, &ca->runq);
	list_join(&timely, &before);
	list_join(&ca->runq, &timely);
	return woken;
}

/* A timer has fired in program text. True: the current coroutine's turn is over. */
static bool tick_ends(struct carrier *ca, struct coroutine *co, bool *ended)
{
	bool tick = ca->ticked, was_short = ca->short_over, over = false;

	if (tick)
		co->quiet = co->called ? 0 : co->quiet + (co->quiet < QUIET);
	/* It has begun to spin, perhaps; it does; or it did, since it makes calls again. */
	if (was_short || (tick && (co->spun ? co->called : co->quiet == QUIET))) {
		preempt_patience(co);
		co->spun = SPUN;
		co->hog = over = true;
		ca->short_over = false;
	}
	if (tick || was_short)
		co->called = false;
	*ended = slice_is_over(ca, co);
	over |= *ended;
	/* Short slices end more often than anybody else can have been woken. */
	if (tick || !was_short || look_is_due(ca))
		over |= look_after_tick(ca);
	return over || (co->hog && !list_empty(&ca->runq));
}

_Noreturn void carrier_interrupted(void)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = ca->current;
	bool over, ended = false;

	if (ca->attention) {
		sched_hooks.attend();
		over = true;
	} else {
		over = tick_ends(ca, co, &ended);
	}
	/* Somebody was woken: as natively, it does not wait until this one parks. */
	if (prio_rules(ca, co)) {
		over = gives_way(ca, co, ended);
	} else if ((over &= !carrier_idle(ca))) {
		co_save_vector(co);
		co_run_last(co);
	}
	if (!over) {
		begin_slice(ca, co);
		run_text(co);
	}
	sched_stats.preempted++;
	carrier_run();
}

/* From co_syscall: something was noted after the last look. */
_Noreturn void carrier_front_slow(long result)
{
	this_carrier()->current->regs.ax = (uint64_t)result;
	carrier_interrupted();
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
