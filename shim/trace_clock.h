/* SPDX-License-Identifier: MIT */
/* The clock of a trace. */
#ifndef COPATCH_TRACE_CLOCK_H
#define COPATCH_TRACE_CLOCK_H

#include <stdint.h>

/* Takes two milliseconds. */
void trace_clock_start(void);
uint64_t trace_clock_ns(uint64_t tsc);
/* Now and then: the longer the measure the better. What was told never changes its place. */
void trace_clock_settle(uint64_t now);

#endif
