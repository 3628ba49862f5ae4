/* SPDX-License-Identifier: MIT */
/*
 * Mappings, as far as it matters which are shared: a futex word there may have waiters in other
 * processes. Before us there is only what the dynamic loader maps, and that is private.
 */
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "../scheduler/raw.h"
#include "../scheduler/slab.h"
#include "memory.h"
#include "patch.h"
#include "stacks.h"
#include "sys.h"
#include "usercopy.h"

#define ROOM 4096 /* to begin with */

struct range {
	uint64_t begin, end;
	bool segment; /* of shmat: shmdt names its begin only, so it is never merged */
};

/* Sorted and disjoint. */
static struct range *range;
static unsigned count, room = ROOM;
/* Some were not noted. Any memory may be shared then: the kernel's queues serve private words too.
 */
static bool incomplete;

int memory_init(void)
{
	range = mem_pages(ROOM * sizeof(*range));
	return range ? 0 : -ENOMEM;
}

static bool grow(void)
{
	struct range *more = mem_pages(2UL * room * sizeof(*more));

	if (!more)
		return false;
	memcpy(more, range, count * sizeof(*more));
	mem_pages_free(range, room * sizeof(*range));
	range = more;
	room *= 2;
	return true;
}

/* The first range that ends after `at`. */
static unsigned find(uint64_t at)
{
	unsigned lo = 0, hi = count;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (range[mid].end > at)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

bool memory_shared(uint64_t address)
{
	unsigned i = find(address);

	return incomplete || (i < count && range[i].begin <= address);
}

static void insert(unsigned i, struct range r)
{
	if (count == room && !grow()) {
		incomplete = true;
		return;
	}
	memmove(&range[i + 1], &range[i], (count - i) * sizeof(*range));
	range[i] = r;
	count++;
}

static void drop(unsigned i)
{
	memmove(&range[i], &range[i + 1], (count - i - 1) * sizeof(*range));
	count--;
}

/* The kernel hands out neighbours: merged, thousands of mappings are one range. */
static void add(uint64_t begin, uint64_t end)
{
	unsigned i = find(begin);
	bool left = i && range[i - 1].end == begin && !range[i - 1].segment;
	bool right = i < count && range[i].begin == end && !range[i].segment;

	if (left && right) {
		range[i - 1].end = range[i].end;
		drop(i);
	} else if (left) {
		range[i - 1].end = end;
	} else if (right) {
		range[i].begin = begin;
	} else {
		insert(i, (struct range){begin, end, false});
	}
}

void memory_add_shared(uint64_t begin, uint64_t end)
{
	add(begin, end);
}

static void remove_range(uint64_t begin, uint64_t end)
{
	unsigned i = find(begin);

	while (i < count && range[i].begin < end) {
		struct range r = range[i];

		drop(i);
		if (r.begin < begin)
			insert(i++, (struct range){r.begin, begin, r.segment});
		if (r.end > end)
			insert(i++, (struct range){end, r.end, r.segment});
	}
}

static uint64_t page_up(uint64_t n)
{
	return (n + 4095) & ~4095UL;
}

/* As allocate_stack in nptl/allocatestack.c asks for it; 0: it is something else. */
static uint64_t map_stack(struct thread *th)
{
	const long *arg = th->call.arg;
	uint64_t caller;

	if (arg[3] != (MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK) || arg[0] || arg[2] != PROT_NONE)
		return 0;
	/* mmap has no frame: this is where it returns to, or else nobody's number. */
	if (user_get(caller, th->co.regs.sp))
		return 0;
	return stacks_map(page_up((uint64_t)arg[1]), caller);
}

long sys_mmap(struct thread *th)
{
	uint64_t len = page_up((uint64_t)th->call.arg[1]), stack = map_stack(th);
	int type = (int)th->call.arg[3] & MAP_TYPE;
	long at;

	if (stack)
		return (long)stack;
	if (th->call.arg[3] & MAP_FIXED)
		stacks_disturb((uint64_t)th->call.arg[0], len);
	at = sys_native(th);
	if (raw_failed(at))
		return at;
	if (th->call.arg[3] & MAP_FIXED) {
		patch_forget((uint64_t)at, (uint64_t)at + len);
		stacks_forget((uint64_t)at, len);
	}
	if (count && th->call.arg[3] & MAP_FIXED)
		remove_range((uint64_t)at, (uint64_t)at + len);
	if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE)
		add((uint64_t)at, (uint64_t)at + len);
	return at;
}

long sys_munmap(struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[0], end = at + page_up((uint64_t)th->call.arg[1]);
	long err;

	if (stacks_unmap(at, end - at))
		return 0;
	stacks_disturb(at, end - at);
	err = sys_native(th);
	if (err)
		return err;
	patch_forget(at, end);
	stacks_forget(at, end - at);
	if (count)
		remove_range(at, end);
	return 0;
}

long sys_mremap(struct thread *th)
{
	uint64_t from = (uint64_t)th->call.arg[0];
	uint64_t old = page_up((uint64_t)th->call.arg[1]),
		 size = page_up((uint64_t)th->call.arg[2]);
	bool shared = memory_shared(from);
	long at;

	stacks_disturb(from, old);
	if (th->call.arg[3] & MREMAP_FIXED)
		stacks_disturb((uint64_t)th->call.arg[4], size);
	at = sys_native(th);
	if (raw_failed(at))
		return at;
	stacks_forget(from, old);
	stacks_forget((uint64_t)at, size);
	patch_forget(from, from + old);
	patch_forget((uint64_t)at, (uint64_t)at + size);
	if (!count)
		return at;
	remove_range(from, from + old);
	remove_range((uint64_t)at, (uint64_t)at + size);
	if (shared)
		add((uint64_t)at, (uint64_t)at + size);
	return at;
}

long sys_mprotect(struct thread *th)
{
	const long *arg = th->call.arg;
	int err = stacks_protect((uint64_t)arg[0], page_up((uint64_t)arg[1]), (int)arg[2]);

	return err == 1 ? sys_native(th) : err;
}

long sys_changes_mapping(struct thread *th)
{
	stacks_disturb((uint64_t)th->call.arg[0], page_up((uint64_t)th->call.arg[1]));
	return sys_native(th);
}

long sys_mlockall(struct thread *th)
{
	stacks_stop();
	return sys_native(th);
}

long sys_madvise(struct thread *th)
{
	const long *arg = th->call.arg;

	switch (arg[2]) {
	case MADV_DONTNEED:
		if (stacks_bare((uint64_t)arg[0], (uint64_t)arg[1], th->co.regs.sp,
				co_cycles(&th->co)))
			return 0;
		return sys_native(th);
	case MADV_FREE:
	case MADV_WILLNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return sys_native(th);
	default:
		return sys_changes_mapping(th);
	}
}

long sys_shmat(struct thread *th)
{
	long at = sys_native(th);
	struct shmid_ds ds = {0};

	if (raw_failed(at) || raw3(__NR_shmctl, th->call.arg[0], IPC_STAT, &ds))
		return at;
	remove_range((uint64_t)at, (uint64_t)at + page_up(ds.shm_segsz));
	insert(find((uint64_t)at),
	       (struct range){(uint64_t)at, (uint64_t)at + page_up(ds.shm_segsz), true});
	return at;
}

long sys_shmdt(struct thread *th)
{
	uint64_t at = (uint64_t)th->call.arg[0];
	unsigned i = find(at);
	uint64_t end = i < count && range[i].begin == at ? range[i].end : at;
	long err = sys_native(th);

	if (!err)
		remove_range(at, end);
	return err;
}
