/* SPDX-License-Identifier: MIT */
/*
 * Priorities of real-time policies, among the coroutines of one carrier: of those that are
 * runnable the one of the highest priority runs, and who is woken takes the carrier from one of a
 * lower. With one processor that could hold the others up for ever, where natively they had one of
 * their own; so after a while priorities do not bind for a moment, as Linux leaves a share of each
 * second to the rest (sched_rt_runtime_us).
 */
#include "carrier.h"
#include "stamp.h"

/* As Linux has it: so much of the carrier's processor time, then the rest of a second. */
#define KEPT_NS 950000000
#define RELENT  50  /* ms */
#define LOOK    100 /* ms; the clock is looked at so often */

static struct coroutine *runs(struct list *l)
{
	return container_of(l, struct coroutine, run);
}

bool prio_relents(struct carrier *ca)
{
	if (ca->relents_until && stamp_now() >= ca->relents_until)
		ca->relents_until = 0;
	return ca->relents_until;
}

void prio_queue(struct carrier *ca, struct coroutine *co, bool before)
{
	struct list *at = &ca->urgent;

	if (prio_relents(ca)) {
		list_add_tail(&ca->runq, &co->run);
		return;
	}
	/* From the end: mostly all of them are equal. */
	while (at->prev != &ca->urgent) {
		int other = runs(at->prev)->priority;

		if (other > co->priority || (other == co->priority && !before))
			break;
		at = at->prev;
	}
	list_add_tail(at, &co->run);
}

/* Whether it is time for those who wait while one of `priority` runs; then all are equal. */
static bool relents(struct carrier *ca, int priority)
{
	uint64_t now = stamp_now(), cpu;

	if (list_empty(&ca->runq) && list_empty(&ca->hogs) &&
	    (list_empty(&ca->urgent) || runs(ca->urgent.prev)->priority >= priority)) {
		ca->kept_since = 0;
		return false;
	}
	if (!ca->kept_since) {
		ca->kept_since = now;
		ca->kept_from = 0;
	}
	if (now - ca->kept_since < LOOK * stamp_per_ms)
		return false;
	ca->kept_since = now;
	cpu = time_now(CLOCK_THREAD_CPUTIME_ID);
	if (!ca->kept_from)
		ca->kept_from = cpu;
	if (cpu - ca->kept_from < KEPT_NS)
		return false;
	ca->kept_since = 0;
	ca->relents_until = now + RELENT * stamp_per_ms;
	list_join(&ca->runq, &ca->urgent);
	return true;
}

bool prio_first(struct carrier *ca)
{
	return !relents(ca, runs(ca->urgent.next)->priority);
}

bool prio_gives_way(struct carrier *ca, const struct coroutine *co, bool over)
{
	int first = list_empty(&ca->urgent) ? 0 : runs(ca->urgent.next)->priority;

	if (first > co->priority || (first && first == co->priority && over && co->round_robin))
		return true;
	return co->priority && relents(ca, co->priority);
}

void co_set_priority(struct coroutine *co, int priority, bool round_robin)
{
	bool queued = co->runnable, lowered = priority < co->priority;

	co->round_robin = round_robin;
	if (co->priority == priority)
		return;
	if (queued)
		list_del(&co->run);
	co->runnable = false;
	co->priority = (uint8_t)priority;
	/* As the kernel (__sched_setscheduler): who is lowered goes before its new equals. */
	if (queued && lowered)
		co_run_next(co);
	else if (queued)
		co_run_last(co);
}
