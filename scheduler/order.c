/* SPDX-License-Identifier: MIT */
/*
 * Repeatable runs: with a seed, chance decides who of those that can run goes on, and after which
 * calls a coroutine makes way. The same seed makes the same choices. So nothing else may decide:
 * no time slice ends but that of a coroutine that computes for a second without a call, and the
 * loop is looked at by count, not by time.
 */
#include "carrier.h"

/* As far into the run queue as the choice goes: a walk through thousands each time is too dear. */
#define REACH 64

/* A call that did not block ends a turn one time in so many. */
#define TURN 4

uint64_t order_state;

void sched_seed(uint64_t seed)
{
	/* Neighbouring seeds must not begin alike, and 0 is no state (splitmix64). */
	seed += 0x9e3779b97f4a7c15ULL;
	seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ seed >> 27) * 0x94d049bb133111ebULL;
	order_state = (seed ^ seed >> 31) | 1;
}

/* xorshift64*, of which the upper half is good. */
static uint32_t chance(uint32_t below)
{
	order_state ^= order_state >> 12;
	order_state ^= order_state << 25;
	order_state ^= order_state >> 27;
	return (uint32_t)((order_state * 0x2545f4914f6cdd1dULL >> 32) * below >> 32);
}

bool order_makes_way(void)
{
	return !chance(TURN);
}

struct list *order_pick(struct list *from)
{
	struct list *l = from->next;
	uint32_t n = 0;

	list_for_each (in, from)
		if (++n == REACH)
			break;
	if (n > 1)
		for (n = chance(n); n; n--)
			l = l->next;
	return l;
}
