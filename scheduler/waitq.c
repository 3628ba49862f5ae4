/* SPDX-License-Identifier: MIT */
/* Wait queues by key, in a hash table: first come, first served, within a priority. */
#include "carrier.h"
#include "check.h"
#include "raw.h"

/* Untouched buckets cost no memory; a million waiters make chains of sixteen. */
#define BUCKETS (1UL << (64 - WAITQ_SHIFT))

static struct list *bucket;

_Static_assert(sizeof(*bucket) == 16, "side_x86_64.S");

int waitq_init(struct carrier *ca)
{
	if (!bucket)
		bucket = mem_pages(BUCKETS * sizeof(*bucket));
	/* With a seed each call may end a turn. */
	ca->buckets = order_state ? NULL : bucket;
	return bucket ? 0 : -ENOMEM;
}

/*
 * Chance scatters pages, but the keys of one are in neighbouring buckets: who goes through an array
 * of locks goes through the table in steps that the processor foresees.
 */
static struct list *bucket_of(uint64_t key)
{
	uint64_t page = (key >> WAITQ_PAGE) * WAITQ_HASH >> WAITQ_SHIFT;

	return &bucket[(uint16_t)(page + (key >> WAITQ_GRAIN))];
}

static __attribute__((noinline)) struct list *before_lower(struct list *at, int priority)
{
	list_for_each (l, at)
		if (container_of(l, struct coroutine, queue_link)->priority < priority)
			return l;
	return at;
}

/* Behind all others but those of lower priority, as the kernel's futex queues. */
static inline void add(struct list *at, struct coroutine *co)
{
	if (co->priority)
		at = before_lower(at, co->priority);
	list_add_tail(at, &co->queue_link);
}

/* `co` is woken with WAKE_EVENT by a waitq_wake of this key that shares a bit with `bits`. */
void wait_queue(struct coroutine *co, uint64_t key, uint32_t bits)
{
	CHECK(key && !co->queue_key);
	co->queue_key = key;
	co->queue_bits = bits;
	add(bucket_of(key), co);
}

/* Wakes at most `n`, the longest waiting first; returns how many. */
unsigned waitq_wake(uint64_t key, unsigned n, uint32_t bits)
{
	struct list *at = bucket_of(key);
	unsigned woken = 0;

	if (list_empty(at))
		return 0; /* so ends every second wake of libc's */
	list_for_each_safe (l, tmp, at) {
		struct coroutine *co = container_of(l, struct coroutine, queue_link);

		if (woken == n)
			break;
		if (co->queue_key != key || !(co->queue_bits & bits))
			continue;
		co_wake(co, WAKE_EVENT);
		woken++;
	}
	if (woken > 1)
		this_carrier()->woke_many = true;
	return woken;
}

/* Lets at most `n` waiters of `from` wait for `to`; returns how many. */
unsigned waitq_requeue(uint64_t from, uint64_t to, unsigned n)
{
	unsigned moved = 0;

	if (from == to) {
		/* The order stays as it is; only the number counts. */
		list_for_each (l, bucket_of(from))
			moved += container_of(l, struct coroutine, queue_link)->queue_key == from &&
				 moved < n;
		return moved;
	}
	list_for_each_safe (l, tmp, bucket_of(from)) {
		struct coroutine *co = container_of(l, struct coroutine, queue_link);

		if (moved == n)
			break;
		if (co->queue_key != from)
			continue;
		list_del(l);
		co->queue_key = to;
		add(bucket_of(to), co);
		moved++;
	}
	return moved;
}

void waitq_close_doors(void)
{
	this_carrier()->buckets = NULL;
}

/* The longest waiting coroutine of `key`, or NULL. */
struct coroutine *waitq_first(uint64_t key)
{
	list_for_each (l, bucket_of(key)) {
		struct coroutine *co = container_of(l, struct coroutine, queue_link);

		if (co->queue_key == key)
			return co;
	}
	return NULL;
}
