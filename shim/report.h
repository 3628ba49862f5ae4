/* SPDX-License-Identifier: MIT */
/* Counters for --stats. */
#ifndef COPATCH_REPORT_H
#define COPATCH_REPORT_H

#define REPORT_SIDE 16 /* offset, for the assembler; checked in dispatch.c */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

#include "../scheduler/stamp.h"

struct report {
	bool wanted;
	unsigned long front, side, back; /* calls by door */
	unsigned long patched, refused;  /* sites that had trapped often */
};

extern struct report report;

/* "read"; never NULL. */
const char *report_call_name(long nr);
void report_init(void);
/* A cheap clock; only differences of it mean anything, to report_held. */
static inline uint64_t report_clock(void)
{
	return stamp_now();
}
/* The call has held the carrier since `begun`: counted by its number if that was over 10 ms. */
void report_held(long nr, uint64_t begun);
/* At the end of the process: the lines on stderr, if they are wanted. */
void report_print(void);
#endif

#endif
