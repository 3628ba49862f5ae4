/* SPDX-License-Identifier: MIT */
/* The lines of a trace that --trace has written. Trusts nothing that it reads. */
#ifndef COPATCH_LAUNCH_TRACE_READ_H
#define COPATCH_LAUNCH_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the library writes is shorter; a longer line is none of its. */
#define TRACE_LINE 1024

/* Nothing lasts longer, about 73 years in nanoseconds: sums of two do not overflow. */
#define TRACE_TIME_MAX (1ULL << 61)

struct trace_event {
	char phase;
	bool has_tid, has_ts, has_dur, has_fd;
	bool gave_way;
	uint64_t pid, tid;
	uint64_t ts, dur; /* nanoseconds */
	uint64_t fd, more, by;
	char name[64], cat[16]; /* UTF-8 */
	char word[24];
	char arg_name[64];
};

/* LINE has no line feed in it. False: it is not one event, whole. */
bool trace_read_line(const char *line, size_t n, struct trace_event *event);

#endif
