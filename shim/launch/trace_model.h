/* SPDX-License-Identifier: MIT */
/* What copatch report knows of a trace: sums, and as many runs as a page can hold. */
#ifndef COPATCH_LAUNCH_TRACE_MODEL_H
#define COPATCH_LAUNCH_TRACE_MODEL_H

#include "trace_read.h"

/* Bounds of memory, and of the page's size. What is beyond them is in the sums alone. */
#define TRACE_THREADS 100000
#define TRACE_WHATS   50000
#define TRACE_PAIRS   200000
#define TRACE_SPANS   100000
#define TRACE_STEPS   48 /* of the histogram: powers of two of nanoseconds */

#define TRACE_NONE UINT32_MAX

enum trace_cause {
	CAUSE_FD,
	CAUSE_TIME,
	CAUSE_QUEUE,
	CAUSE_HELPER,
	CAUSE_SIGNAL,
	CAUSE_UNKNOWN,
	CAUSES,
};

struct trace_thread {
	uint64_t pid, tid, by;
	char name[64];
	bool seen, ended, waits;
	uint64_t first, last; /* when it was heard of, nanoseconds */
	uint64_t runs, ran, waited[CAUSES];
	uint64_t wait_began; /* while it waits, */
	uint32_t wait_what;  /* for this */
	uint32_t span;       /* its last */
};

struct trace_what {
	char text[128];
	uint8_t cause;
	uint32_t threads; /* how many have waited for it */
	uint64_t count, total, longest;
};

struct trace_pair {
	uint32_t thread, what;
	uint64_t count, total, longest;
	bool open; /* it still waited at the end */
};

struct trace_span {
	uint32_t thread;
	uint32_t what; /* it waited for then; TRACE_NONE: for its turn, or it ended */
	uint64_t begin, end, busy;
};

struct trace_table {
	uint32_t *slot; /* 1 + index, 0 empty */
	uint32_t room;  /* a power of two */
};

struct trace_model {
	struct trace_thread *thread;
	struct trace_what *what;
	struct trace_pair *pair;
	struct trace_span *span;
	uint32_t threads, threads_room, whats, whats_room, pairs, pairs_room, spans, spans_room;
	struct trace_table by_tid, by_text, by_pair;
	char process[64];
	uint64_t first, last;       /* nanoseconds */
	uint64_t runs, ran;         /* of all threads, */
	uint64_t waits, wait_total; /* the untold ones too */
	uint64_t merged;            /* runs nearer to one another than this are drawn as one */
	uint64_t bad_lines, untold; /* not understood; of threads that have no place */
	struct {
		uint64_t count, total;
	} step[TRACE_STEPS];
};

/* -ENOMEM. */
int trace_model_event(struct trace_model *m, const struct trace_event *event)
	__attribute__((warn_unused_result));
/* After the last event: what still waits has waited until then. */
int trace_model_end(struct trace_model *m) __attribute__((warn_unused_result));
void trace_model_free(struct trace_model *m);

#endif
