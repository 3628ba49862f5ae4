/* SPDX-License-Identifier: MIT */
/*
 * What debuggers and `copatch ps` find in a process under copatch, running, stuck or dead: the
 * exported object copatch_registry says where everything is, so that a reader of another build
 * can follow. A reader trusts none of it.
 *
 * A field is an offset and a size. New ones go to the end of the list; a reader that meets more
 * than it knows leaves the rest alone. What changes the meaning of one changes the version.
 */
#ifndef COPATCH_REGISTRY_H
#define COPATCH_REGISTRY_H

#include <stdint.h>

#define REGISTRY_SYMBOL  "copatch_registry"
#define REGISTRY_MAGIC   "copatch"
#define REGISTRY_VERSION 1
#define REGISTRY_CLOCKS  3

/* Also in shim/copatch-gdb.py, in this order. */
enum registry_field {
	/* in the carrier */
	REG_CURRENT,      /* the coroutine that runs, 0 none */
	REG_ALL,          /* head of the list of all, struct list */
	REG_CHARGED,      /* time-stamp count up to which processor time is charged */
	REG_CYCLES_ALL,   /* sum of REG_CYCLES, of ended ones too */
	REG_CPU_SEEN,     /* nanoseconds of the carrier's processor time that are settled */
	REG_TIMERS,       /* an array of REGISTRY_CLOCKS heaps */
	REG_TIMER_ENTRY,  /* in one of them: address of the entries, */
	REG_TIMER_COUNT,  /* and their number */
	REG_TIMER_HEAP,   /* size only: of a heap */
	REG_DEADLINE,     /* in an entry: nanoseconds */
	REG_DEADLINE_CO,  /* the coroutine */
	REG_DEADLINE_ALL, /* size only: of an entry */
	/* in a coroutine */
	REG_LINK,     /* in the list of all */
	REG_REGS,     /* struct co_regs; those of REG_CURRENT are out of date */
	REG_FS,       /* its FS base: glibc's struct pthread */
	REG_AGAIN,    /* not 0: it waits in a system call */
	REG_RUNNABLE, /* in the run queue */
	REG_SINCE,    /* time-stamp count when it last left the carrier; 0 never */
	REG_SWITCHES,
	REG_CYCLES, /* time-stamp counts that are not settled */
	REG_CPU,    /* settled nanoseconds */
	REG_PARKED_BY,
	REG_TIMER_CLOCK, /* which heap, */
	REG_TIMER_POS,   /* and 1 + the place in it; 0: no deadline */
	REG_QUEUE_KEY,   /* address of a futex word, 1: any child; 0 none */
	REG_FD_WAIT,     /* struct fd_wait, the first; REG_WAIT_FD is -1 where there is none */
	REG_WAIT_FD,     /* in it */
	REG_WAIT_EVENTS, /* 1 readable, 2 writable */
	REG_WAIT_NEXT,   /* address of the next one */
	/* in a coroutine again: the thread */
	REG_TID,
	REG_NAME,
	REG_CLEAR_TID, /* address of the word that a join waits for */
	REG_CALL_NR,   /* the system call that it is in, */
	REG_CALL_ARG,  /* and its six arguments */
	REG_CALL_JOB,  /* not 0: a helper makes it */
	REG_SIGWAIT,   /* set of signals */
	/* in the carrier again */
	REG_STUBS, /* address of an array of struct patch_region, see patch.h; 0 none */
	REG_FIELDS,
};

struct registry_where {
	uint16_t at, size;
};

struct copatch_registry {
	char magic[8];
	uint32_t version;
	uint32_t size;    /* of this */
	uint64_t carrier; /* address; 0: copatch is not in charge */
	int32_t pid;      /* as the process knows it */
	uint32_t fields;  /* of the array below */
	/* A time-stamp count and CLOCK_MONOTONIC at one moment; the same: it is what is counted. */
	uint64_t tsc, nsec;
	uint32_t carrier_size, thread_size;
	int32_t clock[REGISTRY_CLOCKS]; /* of REG_TIMERS */
	struct registry_where where[REG_FIELDS];
};

#endif
