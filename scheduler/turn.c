/* SPDX-License-Identifier: MIT */
/* When a coroutine's turn ends, by its calls or by the clock, and when the loop is looked at. */
#include "carrier.h"
#include "cputime.h"

/*
 * At a switch, or after so many calls, the loop is looked at, so that I/O and timers never starve;
 * but not twice in a millisecond: a look costs as much as ten switches.
 */
#define LOOK_LATER 20 /* ms at most: the kernel may have stopped us in the midst of it */
/* Who has spun once is taken to do so again until it has parked so many times without. */
#define SPUN 16
/* Who makes no call between so many ticks and one more spins, or computes. */
#define QUIET 2

void turn_look(struct carrier *ca, bool wait)
{
	uint64_t begun = wait ? 0 : stamp_now(), cost, most;

	if (wait && !ca->fd_waiters && sched_hooks.stuck && !timer_any(ca))
		sched_hooks.stuck();
	ca->ticks = 0;
	loop_run(ca, wait);
	ca->looked = stamp_now();
	/* With thousands of descriptors ready a look takes milliseconds: a tenth of the time. */
	most = LOOK_LATER * stamp_per_ms;
	cost = wait ? 0 : (ca->looked - begun) * 10;
	ca->look_again = cost < stamp_per_ms ? stamp_per_ms : cost < most ? cost : most;
	stamp_settle(ca->looked);
}

static bool look_is_due(struct carrier *ca)
{
	ca->ticks = 0;
	return order_state || stamp_now() - ca->looked > ca->look_again;
}

void turn_begin(struct carrier *ca, struct coroutine *co)
{
	if (ca->tried == co) {
		if (!ca->acted && list_empty(&ca->runq)) {
			preempt_longer(co, ca->tried_for);
			co->spun = 0;
		}
		ca->tried = NULL;
	}
	ca->short_slice = false;
	if (co->spun && !carrier_idle(ca))
		ca->short_slice = preempt_short(co);
	if (co->hog && !ca->short_slice)
		preempt_fine();
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
	if (++ca->ticks >= TURN_CALLS)
		turn_look(ca, false);
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

	if (++ca->ticks >= TURN_CALLS || over) {
		co_save_vector(co);
		if (look_is_due(ca))
			turn_look(ca, false);
	}
	return gives_way(ca, co, over);
}

/*
 * Who wakes many mostly holds the lock that all of them want: a broadcast. If the turn ended there
 * each of them would wait again, for the lock. It ends at the next call.
 */
static bool has_woken_many(struct carrier *ca)
{
	bool many = ca->woke_many;

	ca->woke_many = false;
	return many;
}

bool turn_is_over(struct carrier *ca, struct coroutine *co)
{
	co->called = ca->acted = true;
	if (prio_rules(ca, co))
		return urgent_turn_is_over(ca, co);
	if (order_state)
		return turn_is_over_by_chance(ca, co);
	/* Whom it has woken needs what it has let go of: hardly ever does a slice end then. */
	if (co->hog && !list_empty(&ca->runq)) {
		if (has_woken_many(ca))
			return false;
		co_save_vector(co);
		co_run_last(co);
		return true;
	}
	if ((++ca->ticks < TURN_CALLS && !ca->ticked && !ca->short_over) || ca->alive < 2)
		return false;
	if (has_woken_many(ca))
		return false;
	ca->short_over = false;
	if (ca->ticked)
		slice_is_over(ca, co);
	co_save_vector(co); /* libev uses vector registers */
	if (look_is_due(ca))
		turn_look(ca, false);
	if (carrier_idle(ca))
		return false;
	co_run_last(co);
	return true;
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
	ca->looked = stamp_now();
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

/*
 * A slice ends early for the others' sake. If all that they do meanwhile is to wait in queues, it
 * was in vain: who has locked something, and lets go of it a moment later, keeps them waiting
 * just when it is taken off, and does not wait for them. It is not taken to spin any more, and if
 * it seems to again, its slices are twice as long.
 */
static void try_others(struct carrier *ca, const struct coroutine *co)
{
	ca->tried = co;
	ca->tried_for = co->patience;
	ca->acted = false;
}

/* A timer has fired in program text. True: the current coroutine's turn is over. */
static bool tick_ends(struct carrier *ca, struct coroutine *co, bool *ended)
{
	bool tick = ca->ticked, was_short = ca->short_over, over = false;

	if (tick)
		co->quiet = co->called ? 0 : co->quiet + (co->quiet < QUIET);
	/* It has begun to spin, perhaps; it does; or it did, since it makes calls again. */
	if (was_short || (tick && (co->spun ? co->called : co->quiet == QUIET))) {
		try_others(ca, co);
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

bool turn_is_interrupted(struct carrier *ca, struct coroutine *co)
{
	bool over, ended = false;

	ca->acted = true;
	if (ca->attention) {
		sched_hooks.attend();
		over = true;
	} else {
		over = tick_ends(ca, co, &ended);
	}
	/* Somebody was woken: as natively, it does not wait until this one parks. */
	if (prio_rules(ca, co))
		return gives_way(ca, co, ended);
	if (!over || carrier_idle(ca)) {
		ca->tried = NULL;
		return false;
	}
	co_save_vector(co);
	co_run_last(co);
	return true;
}
