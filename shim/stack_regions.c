/* SPDX-License-Identifier: MIT */
/* The large mappings that stacks of threads lie in: made, found by address, and given back. */
#include "stack_regions.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "../scheduler/raw.h"
#include "../scheduler/slab.h"

#define CLASSES 8    /* sizes of stacks at a time */
#define REGIONS 4096 /* each at least as large as all before it: never reached */
#define FIRST   16   /* stacks in a first region */
#define LARGEST (1U << 15)

struct region **region;
unsigned regions;
bool regions_off;

static struct class class[CLASSES];
static struct slab region_slab;

unsigned region_after(uint64_t at)
{
	unsigned lo = 0, hi = regions;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (region[mid]->end > at)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

struct region *region_of(uint64_t at)
{
	unsigned i = region_after(at);

	return i < regions && region[i]->base <= at ? region[i] : NULL;
}

/* Which of these would make large mappings mean something else than small ones. */
static bool limited(void)
{
	static const int kinds[] = {RLIMIT_AS, RLIMIT_DATA};
	struct rlimit limit = {0, 0};
	char mode = 0;
	long fd;

	for (int i = 0; i < 2; i++)
		if (raw4(__NR_prlimit64, 0, kinds[i], 0, &limit) || limit.rlim_cur != RLIM_INFINITY)
			return true;
	fd = raw3(__NR_open, "/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC, 0);
	if (raw_failed(fd))
		return false;
	raw3(__NR_read, fd, &mode, 1);
	raw1(__NR_close, fd);
	return mode == '2'; /* all that is writable counts */
}

static bool set_up(void)
{
	if (!region && !regions_off) {
		slab_init(&region_slab, sizeof(struct region));
		region = mem_pages(REGIONS * sizeof(struct region *));
		regions_off = !region;
	}
	return !regions_off;
}

/* 0: not there, or not at all. */
static uint64_t map_region(uint64_t hint, uint64_t size)
{
	long at = raw6(__NR_mmap, (long)hint, (long)size, STACK_PROTECTION, STACK_FLAGS, -1, 0);
	unsigned i = region_after((uint64_t)at);

	if (raw_failed(at))
		return 0;
	/* An older kernel knows no guards; a locked page (MCL_FUTURE) cannot have one. */
	if (raw3(__NR_madvise, at, PAGE, MADV_GUARD_INSTALL))
		regions_off = true;
	/* Regions must not nest: there is a gap in one where the program has taken stacks out. */
	if (!regions_off && (i == regions || region[i]->base >= (uint64_t)at + size))
		return (uint64_t)at;
	raw2(__NR_munmap, at, size);
	return 0;
}

struct region *region_new(struct class *c)
{
	uint32_t count = c->total < FIRST ? FIRST : c->total > LARGEST ? LARGEST : c->total;
	struct region *r;
	unsigned i;

	regions_off |= limited();
	if (regions == REGIONS || !set_up())
		return NULL;
	r = slab_alloc(&region_slab);
	if (!r)
		return NULL;
	r->class = c;
	r->count = count;
	r->stack = mem_pages(count * sizeof(*r->stack));
	if (r->stack)
		r->base = map_region(0, count * c->size);
	if (r->stack && !r->base && !regions_off && regions)
		r->base = map_region(region[0]->base - count * c->size, count * c->size);
	if (!r->base) {
		if (r->stack)
			mem_pages_free(r->stack, count * sizeof(*r->stack));
		slab_free(&region_slab, r);
		return NULL;
	}
	r->stack[0].guard = 1;
	r->end = r->base + count * c->size;
	i = region_after(r->base);
	memmove(&region[i + 1], &region[i], (regions++ - i) * sizeof(struct region *));
	region[i] = r;
	list_add_head(&c->open, &r->open);
	c->total += count;
	return r;
}

static void region_free(struct region *r)
{
	struct class *c = r->class;
	uint32_t run = 0;

	/* What is gone is somebody else's by now. */
	for (uint32_t i = 0; i <= r->count; i++) {
		if (i < r->count && r->stack[i].state != GONE)
			continue;
		if (i > run)
			raw2(__NR_munmap, r->base + run * c->size, (i - run) * c->size);
		run = i + 1;
	}
	for (unsigned i = region_after(r->base); i + 1 < regions; i++)
		region[i] = region[i + 1];
	regions--;
	c->total -= r->count;
	list_del(&r->open);
	mem_pages_free(r->stack, r->count * sizeof(*r->stack));
	if (c->spare == r)
		c->spare = NULL;
	slab_free(&region_slab, r);
	if (c->total)
		return;
	mem_pages_free(c->warm, KEPT * sizeof(*c->warm));
	memset(c, 0, sizeof(*c));
}

/* So many fewer in use. One region that is all free is kept for whoever comes next. */
void region_leave(struct region *r, uint32_t n)
{
	struct class *c = r->class;

	r->busy -= n;
	if (r->busy)
		return;
	if (!regions_off && (!c->spare || c->spare == r || c->spare->busy)) {
		c->spare = r;
		return;
	}
	region_free(r);
}

struct class *region_class(uint64_t size)
{
	struct class *unused = NULL;

	for (struct class *c = class; c < class + CLASSES; c++) {
		if (c->size == size)
			return c;
		if (!c->total && !unused)
			unused = c;
	}
	if (!unused)
		return NULL;
	if (!unused->warm)
		unused->warm = mem_pages(KEPT * sizeof(*unused->warm));
	if (!unused->warm)
		return NULL;
	unused->size = size;
	list_init(&unused->open);
	return unused;
}
