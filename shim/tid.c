/* SPDX-License-Identifier: MIT */
/*
 * Ids of threads. Lock words in shared memory hold them, 30 bits of them, so they have to be
 * distinct among all processes: the lower 22 bits are the process's id, the upper 8 say which of
 * its threads. A process that has more than 255 at a time takes the next ones from the upper half
 * of the process ids, where it has some for itself as long as no kernel gives those out, which
 * few do.
 */
#include "tid.h"

#include <linux/futex.h>
#include <stdbool.h>
#include <string.h>

#include "thread.h"

#define PID_MASK  (TID_FIRST - 1)
#define THREADS   255       /* with the same lower bits */
#define HIGH_PIDS (1 << 21) /* from here on */
#define SHARE     64        /* of them for each process */
#define KNOWN     (THREADS * (SHARE + 1))

_Static_assert(((THREADS << 22) | PID_MASK) == FUTEX_TID_MASK, "all of them fit");

static uint64_t used[(KNOWN + 63) / 64];
static unsigned last_own = THREADS - 1, last_shared, more;
static unsigned shared_taken;
static bool wrapped; /* of those beyond, ids may be taken already */

static int number(unsigned low, unsigned n)
{
	return (int)((n + 1) << 22 | low);
}

static unsigned high_pid(unsigned n)
{
	return HIGH_PIDS + ((unsigned)process_id * SHARE + n) % HIGH_PIDS;
}

static int id_of(unsigned i)
{
	if (i < THREADS)
		return number((unsigned)process_id, i);
	i -= THREADS;
	return number(high_pid(i / THREADS), i % THREADS);
}

/* One that is free in [from, to), beginning behind `last`; `to` if there is none. */
static unsigned take(unsigned from, unsigned to, unsigned last)
{
	unsigned i = last;

	do {
		i = i + 1 < to ? i + 1 : from;
		if (!(i & 63) && used[i / 64] == ~0UL && i + 64 <= to &&
		    (last < i || last >= i + 64)) {
			i += 63;
			continue;
		}
		if (!(used[i / 64] & 1UL << (i & 63))) {
			used[i / 64] |= 1UL << (i & 63);
			return i;
		}
	} while (i != last);
	return to;
}

/* Beyond all bounds they are only distinct in this process. */
static int one_more(void)
{
	int tid;

	do {
		if (++more == (unsigned)THREADS * HIGH_PIDS / 2) {
			more = 0;
			wrapped = true;
		}
		tid = number(high_pid(SHARE + more / THREADS), more % THREADS);
	} while (wrapped && thread_by_tid(tid));
	return tid;
}

int tid_new(void)
{
	unsigned i = take(0, THREADS, last_own);

	if (i < THREADS) {
		last_own = i;
		return id_of(i);
	}
	/* A crowd is not to look at all of them for each new thread. */
	if (shared_taken == KNOWN - THREADS)
		return one_more();
	shared_taken++;
	last_shared = take(THREADS, KNOWN, last_shared < THREADS ? KNOWN - 1 : last_shared);
	return id_of(last_shared);
}

void tid_free(int tid)
{
	unsigned low = (unsigned)tid & PID_MASK, n = ((unsigned)tid >> 22) - 1, i;

	if (tid < TID_FIRST)
		return;
	if (low == (unsigned)process_id)
		i = n;
	else
		i = THREADS + (low - high_pid(0)) % HIGH_PIDS * THREADS + n;
	if (i >= KNOWN || id_of(i) != tid)
		return;
	used[i / 64] &= ~(1UL << (i & 63));
	shared_taken -= i >= THREADS;
}

void tid_after_fork(void)
{
	memset(used, 0, sizeof(used));
	last_own = THREADS - 1;
	last_shared = shared_taken = more = 0;
	wrapped = false;
}

int tid_process(int tid)
{
	int low = tid & PID_MASK;

	if (tid < TID_FIRST)
		return 0;
	return low < HIGH_PIDS ? low : 0;
}
