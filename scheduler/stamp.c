/* SPDX-License-Identifier: MIT */
/*
 * How fast the time-stamp counter counts. Nobody waits to find out: until the process is a
 * millisecond old it is a guess, then it is measured by the clock over longer and longer times,
 * and from second to second in the end, since a virtual machine may move to another processor.
 */
#include "stamp.h"

#include <cpuid.h>

#define GUESS    2500000 /* counts in a millisecond */
#define MS       1000000UL
#define SECOND   (1000 * MS)
#define SHORTEST (MS / 4)

bool stamp_by_clock;
uint64_t stamp_per_ms = GUESS, stamp_due;

static struct {
	uint64_t counts, ns;
} base;

/*
 * One that neither follows the processor's frequency nor stops while it sleeps. To a virtual
 * machine hypervisors do not promise that, so that it can move, but nearly all have it.
 */
static bool reliable(void)
{
	unsigned a, b, c, d;

	if (__get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1U << 8)
		return true;
	return __get_cpuid(1, &a, &b, &c, &d) && c & 1U << 31;
}

void stamp_init(void)
{
	stamp_by_clock = !reliable();
	if (stamp_by_clock) {
		stamp_per_ms = MS;
		stamp_due = UINT64_MAX;
		return;
	}
	base.counts = stamp_now();
	base.ns = time_now(CLOCK_MONOTONIC);
	stamp_due = base.counts + stamp_per_ms;
}

void stamp_learn(uint64_t counts, uint64_t ns)
{
	uint64_t passed = ns - base.ns, per_ms;

	stamp_due = counts + stamp_per_ms;
	if (counts < base.counts || passed > INT64_MAX) {
		/* Put back while the machine slept. */
		base.counts = counts;
		base.ns = ns;
		return;
	}
	if (passed < SHORTEST)
		return;
	per_ms = (uint64_t)((unsigned __int128)(counts - base.counts) * MS / passed);
	if (per_ms)
		stamp_per_ms = per_ms;
	if (passed < SECOND) {
		stamp_due = counts + (passed / MS * 9 + 1) * stamp_per_ms;
		return;
	}
	stamp_due = counts + 1000 * stamp_per_ms;
	base.counts = counts;
	base.ns = ns;
}

void stamp_measure(void)
{
	uint64_t before = stamp_now(), ns = time_now(CLOCK_MONOTONIC), after = stamp_now();

	/* Somebody came in between: at the next look. */
	if (after - before < stamp_per_ms / 20)
		stamp_learn(before + (after - before) / 2, ns);
}
