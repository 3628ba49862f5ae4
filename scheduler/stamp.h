/* SPDX-License-Identifier: MIT */
/* The time-stamp counter: a clock that costs no call, in counts of its own. */
#ifndef COPATCH_STAMP_H
#define COPATCH_STAMP_H

#include "sched.h"

/* There is no counter to rely on: counts are nanoseconds of CLOCK_MONOTONIC, each by a call. */
extern bool stamp_by_clock;
/* Counts in a millisecond, as far as is known. */
extern uint64_t stamp_per_ms;
/* Count from which on it is worth to learn it better. */
extern uint64_t stamp_due;

void stamp_init(void);
/* At one moment the counter showed `counts` and CLOCK_MONOTONIC `ns`. */
void stamp_learn(uint64_t counts, uint64_t ns);
/* The same, by a look at both. */
void stamp_measure(void);

static inline uint64_t stamp_now(void)
{
	return __builtin_expect(stamp_by_clock, false) ? time_now(CLOCK_MONOTONIC)
						       : __builtin_ia32_rdtsc();
}

/* For whoever has looked at the counter `now` and has time for a call now and then. */
static inline void stamp_settle(uint64_t now)
{
	if (now >= stamp_due)
		stamp_measure();
}

#endif
