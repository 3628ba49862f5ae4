/* SPDX-License-Identifier: MIT */
/* Nanoseconds of CLOCK_MONOTONIC from the time-stamp counter, without a call for each. */
#include "trace_clock.h"

#include <time.h>

#include "../scheduler/stamp.h"

#define CALIBRATION 2000000   /* ns */
#define SETTLE      100000000 /* ns: time enough to know the counter better */

static struct {
	uint64_t tsc, ns; /* at `tsc` the clock showed `ns` */
	uint64_t first_tsc, first_ns;
	uint64_t ns_per_count; /* times 2^32 */
	uint64_t settle;       /* count at which this is looked at again */
} clocks;

/* The counter and the clock at one moment, as far as nobody comes in between. */
static void read_clocks(uint64_t *tsc, uint64_t *ns)
{
	uint64_t least = ~0UL;

	*tsc = *ns = 0;
	for (int i = 0; i < 10; i++) {
		uint64_t before = stamp_now(), now = time_now(CLOCK_MONOTONIC);
		uint64_t after = stamp_now();

		if (after - before >= least)
			continue;
		least = after - before;
		*tsc = before + least / 2;
		*ns = now;
	}
}

uint64_t trace_clock_ns(uint64_t tsc)
{
	/* A run may have begun before the counter was last looked at. */
	return clocks.ns +
	       (uint64_t)((__int128)(int64_t)(tsc - clocks.tsc) * (__int128)clocks.ns_per_count >>
			  32);
}

static void set_scale(uint64_t tsc, uint64_t ns)
{
	clocks.ns_per_count = (uint64_t)(((unsigned __int128)(ns - clocks.first_ns) << 32) /
					 (tsc - clocks.first_tsc));
	clocks.settle = tsc + (uint64_t)(((unsigned __int128)SETTLE << 32) / clocks.ns_per_count);
}

void trace_clock_start(void)
{
	uint64_t tsc, ns;

	read_clocks(&clocks.first_tsc, &clocks.first_ns);
	do
		read_clocks(&tsc, &ns);
	while (ns - clocks.first_ns < CALIBRATION);
	clocks.tsc = clocks.first_tsc;
	clocks.ns = clocks.first_ns;
	set_scale(tsc, ns);
}

/* The longer the measure the better; what has been written never changes its place. */
void trace_clock_settle(uint64_t now)
{
	uint64_t tsc, ns;

	if (now < clocks.settle)
		return;
	read_clocks(&tsc, &ns);
	clocks.ns = trace_clock_ns(tsc);
	clocks.tsc = tsc;
	set_scale(tsc, ns);
}
