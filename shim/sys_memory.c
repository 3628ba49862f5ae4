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
#include "sys.h"

#define ROOM 65536 /* the kernel's own default limit for mappings is 65530 */

struct range {
	uint64_t begin, end;
	bool segment; /* of shmat: shmdt names its begin only, so it is never merged */
};

/* Sorted and disjoint. Untouched room costs no memory. */
static struct range *range;
static unsigned count;

int memory_init(void)
{
	range = mem_pages(ROOM * sizeof(*range));
	return range ? 0 : -ENOMEM;
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

	return i < count && range[i].begin <= address;
}

static void insert(unsigned i, struct range r)
{
	if (count == ROOM)
		return;
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

long sys_mmap(struct thread *th)
{
	long at = sys_native(th);
	uint64_t len = page_up((uint64_t)th->call.arg[1]);
	int type = (int)th->call.arg[3] & MAP_TYPE;

	if (raw_failed(at))
		return at;
	if (th->call.arg[3] & MAP_FIXED)
		patch_forget((uint64_t)at, (uint64_t)at + len);
	if (count && th->call.arg[3] & MAP_FIXED)
		remove_range((uint64_t)at, (uint64_t)at + len);
	if (type == MAP_SHARED || type == MAP_SHARED_VALIDATE)
		add((uint64_t)at, (uint64_t)at + len);
	return at;
}

long sys_munmap(struct thread *th)
{
	long err = sys_native(th);
	uint64_t at = (uint64_t)th->call.arg[0], end = at + page_up((uint64_t)th->call.arg[1]);

	if (err)
		return err;
	patch_forget(at, end);
	if (count)
		remove_range(at, end);
	return err;
}

long sys_mremap(struct thread *th)
{
	uint64_t from = (uint64_t)th->call.arg[0];
	bool shared = memory_shared(from);
	long at = sys_native(th);

	if (raw_failed(at))
		return at;
	patch_forget(from, from + page_up((uint64_t)th->call.arg[1]));
	patch_forget((uint64_t)at, (uint64_t)at + page_up((uint64_t)th->call.arg[2]));
	if (!count)
		return at;
	remove_range(from, from + page_up((uint64_t)th->call.arg[1]));
	remove_range((uint64_t)at, (uint64_t)at + page_up((uint64_t)th->call.arg[2]));
	if (shared)
		add((uint64_t)at, (uint64_t)at + page_up((uint64_t)th->call.arg[2]));
	return at;
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
