/* SPDX-License-Identifier: MIT */
/*
 * Robust locks: their next owners are told when a thread ends, or its program at exec. The kernel
 * knows the list of the main thread only.
 */
#include "robust.h"

#include <linux/futex.h>

#include "../scheduler/raw.h"
#include "sys.h"
#include "usercopy.h"

#define LIMIT 2048 /* ROBUST_LIST_LIMIT in linux/futex.h: the list may be a circle */

struct head {
	uint64_t list, offset, pending;
};

/* Threads whose lists have been hung into the kernel's, and where each of these ends. */
static struct {
	struct thread *th;
	uint64_t last;
} hung[LIMIT];
static unsigned hung_count;
static uint64_t kernel_head, kernel_list;

/* One entry of the robust list: handle_futex_death in kernel/futex/core.c. */
static void owner_died(struct thread *th, uint64_t at, bool pi)
{
	uint32_t word;

	if (at & 3 || user_load32(&word, (void *)at))
		return;
	while ((word & FUTEX_TID_MASK) == (uint32_t)th->tid) {
		uint32_t seen = word;

		if (user_cas32((void *)at, &seen, (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return;
		if (seen == word) {
			/* Who waits for a PI lock does not look again: exit_pi_state_list. */
			if (word & FUTEX_WAITERS && pi)
				futex_hand_over(at, FUTEX_OWNER_DIED);
			else if (word & FUTEX_WAITERS)
				futex_wake_address(at, 1);
			return;
		}
		word = seen;
	}
}

static void change_owner(uint64_t at, int from, int to)
{
	uint32_t word, seen;

	if (at & 3 || user_load32(&word, (void *)at))
		return;
	for (; (word & FUTEX_TID_MASK) == (uint32_t)from; word = seen) {
		seen = word;
		if (user_cas32((void *)at, &seen, (word & ~FUTEX_TID_MASK) | (uint32_t)to) ||
		    seen == word)
			return;
	}
}

static void to_main(struct thread *th, uint64_t at, bool pi)
{
	(void)pi;
	change_owner(at, th->tid, process_id);
}

static void from_main(struct thread *th, uint64_t at, bool pi)
{
	(void)pi;
	change_owner(at, process_id, th->tid);
}

/* The last entry; 0: there is none, or the list is broken. */
static uint64_t walk(struct thread *th, struct head *head,
		     void (*each)(struct thread *th, uint64_t at, bool pi))
{
	uint64_t entry, next, last = 0;

	if (!th->robust_head || user_get(*head, th->robust_head)) {
		head->pending = 0;
		return 0;
	}
	entry = head->list;
	for (int i = 0; i < LIMIT && (entry & ~1UL) != th->robust_head; i++) {
		/* The next one first: the entry's memory is somebody else's once it is released. */
		bool bad = user_get(next, entry & ~1UL);

		if ((entry & ~1UL) != (head->pending & ~1UL))
			each(th, (entry & ~1UL) + head->offset, entry & 1);
		if (bad)
			return 0;
		last = entry & ~1UL;
		entry = next;
	}
	return (entry & ~1UL) == th->robust_head ? last : 0;
}

void robust_owner_ends(struct thread *th)
{
	struct head head;

	walk(th, &head, owner_died);
	if (head.pending & ~1UL)
		owner_died(th, (head.pending & ~1UL) + head.offset, head.pending & 1);
}

static void hang(struct thread *th, uint64_t offset)
{
	struct head head;
	uint64_t last = walk(th, &head, to_main);

	if (!last || head.offset != offset || user_put(last, kernel_list) ||
	    user_put(kernel_head, head.list)) {
		walk(th, &head, from_main);
		return;
	}
	kernel_list = head.list;
	hung[hung_count].th = th;
	hung[hung_count++].last = last;
}

/*
 * exec ends the other threads too, but we cannot tell anybody afterwards, and before it may fail.
 * So the kernel does it: in a list that holds all, of locks that seem to be the main thread's.
 */
void robust_before_exec(void)
{
	struct head head;
	uint64_t size;

	if (raw3(__NR_get_robust_list, 0, &kernel_head, &size) || !kernel_head ||
	    user_get(head, kernel_head))
		return;
	kernel_list = head.list;
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		if (th->tid != process_id && hung_count < LIMIT)
			hang(th, head.offset);
	}
}

void robust_exec_failed(void)
{
	struct head head;

	while (hung_count) {
		struct thread *th = hung[--hung_count].th;
		uint64_t own = th->robust_head, list;

		/* What it ended on stands behind its last entry now. */
		if (!user_get(list, hung[hung_count].last) &&
		    !user_put(hung[hung_count].last, own) && !user_put(kernel_head, list))
			walk(th, &head, from_main);
	}
}
