/* SPDX-License-Identifier: MIT */
/* Who has used the carrier's processor time. */
#ifndef COPATCH_CPUTIME_H
#define COPATCH_CPUTIME_H

#include "carrier.h"
#include "stamp.h"

/* Whose time it was since the last switch; `co` NULL: nobody's. */
static inline void cpu_charge(struct carrier *ca, struct coroutine *co)
{
	uint64_t now = stamp_now(), used = now - ca->since;

	if (co) {
		if (list_empty(&co->ran))
			list_add_tail(&ca->ran, &co->ran);
		co->cycles += used;
		ca->cycles += used;
	}
	ca->since = now;
}

/* Turns the counts so far into time. Often enough that the kernel's own switches even out. */
void cpu_settle(struct carrier *ca);
void cpu_after_fork(struct carrier *ca);

#endif
