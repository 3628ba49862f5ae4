/* SPDX-License-Identifier: MIT */
/*
 * Who holds what a futex word stands for, by the layouts of glibc that have been the same since
 * 2.25 (struct_mutex.h, struct_rwlock.h): for the library, which looks at its own memory, and
 * for `copatch ps`, which looks at another process's. Makes no call into libc.
 */
#ifndef COPATCH_OWNER_H
#define COPATCH_OWNER_H

#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>

enum owner_kind { OWNER_UNKNOWN, OWNER_MUTEX, OWNER_RWLOCK, OWNER_JOIN };

/* Offsets from the futex word. */
#define MUTEX_OWNER     8
#define RWLOCK_WRITER_1 16 /* cur_writer, from wrphase_futex, */
#define RWLOCK_WRITER_2 12 /* and from writers_futex */

struct owner_view {
	/* A word of the program's memory; false: there is none. */
	bool (*load)(void *cookie, uint64_t at, uint32_t *word);
	/* Whether this id is a thread's; in `clear_tid` the word that its end clears. */
	bool (*alive)(void *cookie, uint32_t tid, uint64_t *clear_tid);
	void *cookie;
};

static inline bool owner_at(const struct owner_view *v, uint64_t at, uint32_t *tid)
{
	uint64_t clear;

	return v->load(v->cookie, at, tid) && *tid && v->alive(v->cookie, *tid, &clear);
}

/*
 * The thread that waiters at the word `at` wait for: its id is left in `tid`. `op` is the futex
 * operation that they wait in. OWNER_UNKNOWN: none, or it cannot be told.
 */
static inline enum owner_kind owner_of(const struct owner_view *v, uint64_t at, int op,
				       uint32_t *tid)
{
	uint32_t word, id;
	uint64_t clear;

	if (!v->load(v->cookie, at, &word))
		return OWNER_UNKNOWN;
	/* A lock of the plain kind: 2 is "taken, and somebody waits". */
	if (word == 2)
		return owner_at(v, at + MUTEX_OWNER, tid) ? OWNER_MUTEX : OWNER_UNKNOWN;
	/* Robust and priority-inheriting locks hold the id itself, and so does what a join reads.
	 */
	id = word & FUTEX_TID_MASK;
	if (id && v->alive(v->cookie, id, &clear)) {
		*tid = id;
		if (clear == at)
			return OWNER_JOIN;
		op &= FUTEX_CMD_MASK;
		if (word & FUTEX_WAITERS || (op != FUTEX_WAIT && op != FUTEX_WAIT_BITSET))
			return OWNER_MUTEX;
	}
	if (owner_at(v, at + RWLOCK_WRITER_1, tid) || owner_at(v, at + RWLOCK_WRITER_2, tid))
		return OWNER_RWLOCK;
	return OWNER_UNKNOWN;
}

#endif
