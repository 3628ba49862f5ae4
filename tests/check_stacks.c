/* SPDX-License-Identifier: MIT */
/* Unit tests: stacks from large mappings, with guards, freed and had again, against a model. */
/* OBJS: shim/stacks.o shim/stack_regions.o scheduler/slab.o scheduler/mem.o */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../scheduler/raw.h"
#include "../shim/stack_regions.h"
#include "../shim/stacks.h"
#include "unit.h"

#define SIZE (8 * PAGE)
#define MANY 40000

static int probe[2]; /* a pipe: the kernel says whether memory is accessible */

static bool accessible(uint64_t at)
{
	char c;

	if (raw3(__NR_write, probe[1], at, 1) != 1)
		return false;
	ck_assert_int_eq(raw3(__NR_read, probe[0], &c, 1), 1);
	return true;
}

static bool mapped(uint64_t at)
{
	return raw3(__NR_msync, at & ~(PAGE - 1), PAGE, MS_ASYNC) == 0;
}

static bool zeroed(uint64_t at, uint64_t size)
{
	for (const char *p = (char *)at; p < (char *)at + size; p++)
		if (*p)
			return false;
	return true;
}

/* As glibc does it; `caller` 1 is glibc. */
static uint64_t try_stack(uint64_t size, uint64_t guard, uint64_t caller)
{
	uint64_t at = stacks_map(size, caller);

	if (!at)
		return 0;
	ck_assert_int_eq(stacks_protect(at + guard, size - guard, PROT_READ | PROT_WRITE), 0);
	return at;
}

static void drop(uint64_t at, uint64_t size)
{
	if (stacks_unmap(at, size))
		return;
	stacks_disturb(at, size);
	ck_assert_int_eq(munmap((void *)at, size), 0);
	stacks_forget(at, size);
}

static uint64_t stack(uint64_t size, uint64_t guard, uint64_t caller)
{
	uint64_t at = try_stack(size, guard, caller);

	ck_assert(at);
	return at;
}

/* A thread's life on it, of so many time-stamp counts. */
static void live(uint64_t at, uint64_t size, uint64_t counts)
{
	stacks_begin(at + size - 3000);
	memset((void *)(at + size - PAGE), 1, PAGE);
	stacks_end(at + size - 3000, counts);
}

static unsigned mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned n = 0;

	ck_assert_ptr_nonnull(f);
	for (int c; (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

static uint64_t resident(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	unsigned long kb = 0;

	ck_assert_ptr_nonnull(f);
	while (!kb && fgets(line, sizeof(line), f))
		sscanf(line, "Rss: %lu kB", &kb);
	fclose(f);
	ck_assert(kb);
	return kb * 1024;
}

static void setup(void)
{
	ck_assert_int_eq(pipe(probe), 0);
}

START_TEST(guards)
{
	for (uint64_t pages = 0; pages <= 4; pages++) {
		uint64_t guard = pages * PAGE, at = stack(SIZE, guard, 1);

		ck_assert(!guard || !accessible(at));
		ck_assert(!guard || !accessible(at + guard - 1));
		ck_assert(accessible(at + guard) && accessible(at + SIZE - 1));
		ck_assert(!guard || stacks_guards(at + guard - 1));
		ck_assert(!stacks_guards(at + guard));
		live(at, SIZE, 100);
		drop(at, SIZE);
		ck_assert(!stacks_guards(at));
		/* The same one again, with another guard: see the next round. */
		ck_assert_uint_eq(stack(SIZE, guard, 1), at);
		drop(at, SIZE);
	}
}
END_TEST

START_TEST(neighbours)
{
	unsigned before = mappings();
	static uint64_t at[MANY];

	for (int i = 0; i < MANY; i++) {
		at[i] = stack(SIZE, PAGE, 1);
		*(uint64_t *)(at[i] + SIZE - 8) = i + 1;
	}
	ck_assert_uint_lt(mappings(), before + 40);
	for (int i = 0; i < MANY; i++) {
		ck_assert_uint_eq(*(uint64_t *)(at[i] + SIZE - 8), i + 1);
		ck_assert(!accessible(at[i]));
		drop(at[i], SIZE);
	}
	ck_assert_uint_lt(mappings(), before + 40);
}
END_TEST

START_TEST(given_back)
{
	static uint64_t at[4000];
	uint64_t before = resident();

	for (int i = 0; i < 4000; i++) {
		at[i] = stack(SIZE, PAGE, 1);
		memset((void *)(at[i] + PAGE), 1, SIZE - PAGE);
	}
	ck_assert_uint_gt(resident(), before + 3900 * (SIZE - PAGE));
	for (int i = 0; i < 4000; i++) {
		stacks_begin(at[i] + SIZE - 100);
		stacks_end(at[i] + SIZE - 100, 1000000);
		drop(at[i], SIZE);
	}
	/* The upper ends of a bounded number of them are kept. */
	ck_assert_uint_lt(resident(), before + 1100 * 2 * PAGE);
}
END_TEST

#define CROWD 2000

static uint64_t crowd[CROWD];

/* In an order: upwards, downwards, by pairs the wrong way round, by leaps. */
static uint64_t nth(int order, int i)
{
	return crowd[order == 0   ? i
		     : order == 1 ? CROWD - 1 - i
		     : order == 2 ? i ^ 1
				  : i * 7 % CROWD];
}

static void crowd_comes(void)
{
	for (int i = 0; i < CROWD; i++)
		crowd[i] = stack(SIZE, PAGE, 1);
}

static void crowd_goes(int order)
{
	for (int i = 0; i < CROWD; i++) {
		uint64_t at = nth(order, i);

		*(char *)(at + PAGE) = 1;
		live(at, SIZE, 100);
		drop(at, SIZE);
	}
}

/* Beyond those that are kept, neighbours are given back together, whatever the order. */
START_TEST(given_back_together)
{
	uint64_t before = resident();

	for (int order = 0; order < 4; order++) {
		unsigned clean = 0;

		crowd_comes();
		for (int i = 0; i < CROWD; i++) {
			ck_assert(!accessible(crowd[i]));
			ck_assert(zeroed(crowd[i] + SIZE - 2 * PAGE, 2 * PAGE));
			clean += zeroed(crowd[i] + PAGE, PAGE);
		}
		ck_assert_uint_ge(clean, CROWD - KEPT);
		crowd_goes(order);
		ck_assert_uint_lt(resident(), before + (KEPT + 100) * 3 * PAGE);
	}
}
END_TEST

/* Somebody unmaps what is not his, and maps something there: it is left alone. */
START_TEST(given_back_without_holes)
{
	uint64_t at, *mine;

	crowd_comes();
	at = nth(0, CROWD - 5);
	crowd_goes(0);
	drop(at, SIZE);
	mine = mmap((void *)at, SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ck_assert_ptr_eq(mine, (void *)at);
	*mine = 4711;
	for (int order = 0; order < 4; order++) {
		crowd_comes();
		crowd_goes(order);
	}
	ck_assert_uint_eq(*mine, 4711);
}
END_TEST

/* No thread ended there: who knows what they touched. */
START_TEST(given_back_unknown)
{
	static uint64_t at[500];
	uint64_t before = resident();

	for (int i = 0; i < 500; i++) {
		at[i] = stack(SIZE, PAGE, 1);
		memset((void *)(at[i] + PAGE), 1, SIZE - PAGE);
	}
	for (int i = 0; i < 500; i++)
		drop(at[i], SIZE);
	ck_assert_uint_lt(resident(), before + 200 * PAGE);
}
END_TEST

/* Threads that cannot have touched much leave it: a bounded number of times. */
START_TEST(short_lives)
{
	uint64_t at = stack(SIZE, PAGE, 1);
	bool given_back = false;

	for (int i = 0; i < 64; i++) {
		*(char *)(at + 2 * PAGE) = 1;
		live(at, SIZE, 3000);
		drop(at, SIZE);
		ck_assert_uint_eq(stack(SIZE, PAGE, 1), at);
		ck_assert(zeroed(at + SIZE - 2 * PAGE, 2 * PAGE));
		given_back |= !*(char *)(at + 2 * PAGE);
	}
	ck_assert(given_back);
}
END_TEST

START_TEST(bare)
{
	const uint64_t large = 64 * PAGE, most = 60 * PAGE;
	uint64_t at = stack(large, PAGE, 1), sp = at + large - 100, open;

	stacks_begin(sp);
	ck_assert(stacks_bare(at, most, sp, 3000));
	ck_assert(!stacks_bare(at, most, sp, 300000));       /* who knows what it has touched */
	ck_assert(stacks_bare(at, 20 * PAGE, sp, 300000));   /* not more than that */
	ck_assert(!stacks_bare(at, large, sp, 3000));        /* more than what is below it */
	ck_assert(!stacks_bare(at, 62 * PAGE, sp, 3000));    /* glibc leaves more */
	ck_assert(!stacks_bare(at + PAGE, PAGE, sp, 3000));  /* not glibc */
	ck_assert(!stacks_bare(at, PAGE, sp + large, 3000)); /* not the thread's own */
	/* Without a guard it begins with what the program knows of. */
	open = stack(large, 0, 1);
	ck_assert(!stacks_bare(open, 20 * PAGE, open + large - 100, 300000));
	ck_assert(!stacks_bare((uint64_t)probe, PAGE, (uint64_t)(probe + 8192), 3000));
}
END_TEST

/* Whoever is not glibc gets what mmap promises. */
START_TEST(strangers)
{
	uint64_t at = stack(SIZE, PAGE, 1);

	stacks_begin(at + SIZE - 3000);
	memset((void *)(at + PAGE), 1, SIZE - PAGE);
	stacks_end(at + SIZE - 3000, 1000);
	drop(at, SIZE);
	ck_assert_uint_eq(stack(SIZE, PAGE, 2), at);
	ck_assert(zeroed(at + PAGE, SIZE - PAGE));
	/* It has run no thread there: nothing is known of what it touched. */
	memset((void *)(at + PAGE), 1, SIZE - PAGE);
	drop(at, SIZE);
	ck_assert_uint_eq(stack(SIZE, PAGE, 2), at);
	ck_assert(zeroed(at + PAGE, SIZE - PAGE));
}
END_TEST

START_TEST(own_protection)
{
	uint64_t at = stack(SIZE, 2 * PAGE, 1);

	memset((void *)(at + 2 * PAGE), 7, SIZE - 2 * PAGE);
	ck_assert_int_eq(stacks_protect(at + 4 * PAGE, PAGE, PROT_NONE), 1);
	ck_assert_int_eq(mprotect((void *)(at + 4 * PAGE), PAGE, PROT_NONE), 0);
	ck_assert(!accessible(at) && !accessible(at + 2 * PAGE - 1));
	ck_assert(accessible(at + 2 * PAGE) && !accessible(at + 4 * PAGE));
	ck_assert_int_eq(stacks_protect(at, 5 * PAGE, PROT_READ | PROT_WRITE), 1);
	ck_assert_int_eq(mprotect((void *)at, 5 * PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert(accessible(at) && accessible(at + 4 * PAGE));
	ck_assert_int_eq(*(char *)(at + 4 * PAGE), 7);
	drop(at, SIZE);
	/* What has become of it is not for the next one to see. */
	ck_assert_uint_eq(stack(SIZE, PAGE, 1), at);
	ck_assert(!accessible(at) && zeroed(at + PAGE, SIZE - PAGE));
	stacks_disturb(at, SIZE);
	ck_assert_int_eq(mlock((void *)(at + PAGE), SIZE - PAGE), 0);
	*(char *)(at + PAGE) = 1;
	drop(at, SIZE);
	ck_assert_uint_eq(stack(SIZE, PAGE, 1), at);
	ck_assert(zeroed(at + PAGE, SIZE - PAGE));
}
END_TEST

START_TEST(in_pieces)
{
	uint64_t first = stack(SIZE, PAGE, 1), at = stack(SIZE, PAGE, 1);
	uint64_t next = stack(SIZE, PAGE, 1);

	memset((void *)(at + PAGE), 7, SIZE - PAGE);
	drop(at, 3 * PAGE);
	ck_assert(!mapped(at) && mapped(at + 3 * PAGE));
	ck_assert_int_eq(*(char *)(at + 3 * PAGE), 7);
	drop(at + 3 * PAGE, SIZE - 3 * PAGE);
	ck_assert(!mapped(at + 3 * PAGE));
	ck_assert(accessible(first + PAGE) && accessible(next + PAGE) && !accessible(next));
	for (int i = 0; i < 100; i++)
		ck_assert_uint_ne(stack(SIZE, PAGE, 1), at);
}
END_TEST

/* Mapped without access, and opened from the middle: not what glibc does, but allowed. */
START_TEST(piecemeal)
{
	uint64_t size = 64 * PAGE, at = stacks_map(size, 2), middle = at + 30 * PAGE;

	ck_assert(at);
	ck_assert_int_eq(stacks_protect(middle, 2 * PAGE, PROT_READ | PROT_WRITE), 1);
	ck_assert_int_eq(mprotect((void *)middle, 2 * PAGE, PROT_READ | PROT_WRITE), 0);
	ck_assert(accessible(middle) && accessible(middle + 2 * PAGE - 1));
	ck_assert(!accessible(middle - 1) && !accessible(middle + 2 * PAGE));
	ck_assert(!accessible(at) && !accessible(at + size - 1));
	drop(at, size);
}
END_TEST

START_TEST(stopped)
{
	uint64_t used = stack(SIZE, PAGE, 1), freed = stack(SIZE, PAGE, 1);

	live(freed, SIZE, 100);
	drop(freed, SIZE);
	stacks_stop();
	ck_assert(!mapped(freed) && mapped(used) && !accessible(used));
	ck_assert(!stacks_map(SIZE, 1));
	drop(used, SIZE);
	ck_assert(!mapped(used));
}
END_TEST

/* Also what was on its way: mlockall(2) is to find nothing that could not be locked. */
START_TEST(stopped_on_the_way)
{
	crowd_comes();
	crowd_goes(0);
	stacks_stop();
	for (int i = 0; i < CROWD; i++)
		ck_assert(!mapped(crowd[i]));
	ck_assert_uint_eq(regions, 0);
}
END_TEST

START_TEST(limits)
{
	struct rlimit limit = {1UL << 34, 1UL << 34};

	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert(!stacks_map(SIZE, 1));
}
END_TEST

START_TEST(refused)
{
	ck_assert(!stacks_map(0, 1) && !stacks_map(PAGE, 1) && !stacks_map(SIZE + 1, 1));
	ck_assert(!stacks_map(~0UL & ~(PAGE - 1), 1));
	ck_assert(!stacks_unmap((uint64_t)&probe, PAGE));
	/* More sizes than there is room for. */
	for (int i = 0; i < 8; i++)
		ck_assert(stacks_map((8 + i) * PAGE, 1));
	ck_assert(!stacks_map(99 * PAGE, 1));
}
END_TEST

#define SLOTS 200

START_TEST(random_operations)
{
	static struct {
		uint64_t at, size, guard, mark;
	} slot[SLOTS];
	int refusals = 0;

	for (int step = 0; step < 100000; step++) {
		unsigned i = unit_random() % SLOTS;

		if (!slot[i].at) {
			slot[i].size = (8 + unit_random() % 3 * 8) * PAGE;
			slot[i].guard = (1 + unit_random() % 3) * PAGE;
			slot[i].at = try_stack(slot[i].size, slot[i].guard, 1);
			refusals += !slot[i].at;
			if (!slot[i].at)
				continue;
			ck_assert(zeroed(slot[i].at + slot[i].size - 2 * PAGE, 2 * PAGE));
			slot[i].mark = step + 1;
			*(uint64_t *)(slot[i].at + slot[i].guard) = slot[i].mark;
			*(uint64_t *)(slot[i].at + slot[i].size - 8) = slot[i].mark;
			continue;
		}
		ck_assert_uint_eq(*(uint64_t *)(slot[i].at + slot[i].guard), slot[i].mark);
		ck_assert_uint_eq(*(uint64_t *)(slot[i].at + slot[i].size - 8), slot[i].mark);
		if (step % 16 == 0)
			ck_assert(!accessible(slot[i].at + slot[i].guard - 1));
		switch (unit_random() % 16) {
		case 0:
			stacks_disturb(slot[i].at, PAGE);
			ck_assert(!accessible(slot[i].at + slot[i].guard - 1));
			break;
		case 1:
			drop(slot[i].at + slot[i].size / 2, slot[i].size / 2);
			drop(slot[i].at, slot[i].size / 2);
			slot[i].at = 0;
			break;
		default:
			live(slot[i].at, slot[i].size, unit_random() % 20000);
			drop(slot[i].at, slot[i].size);
			slot[i].at = 0;
		}
	}
	ck_assert_int_eq(refusals, 0);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("stacks", 20, setup);

	tcase_add_test(tests, guards);
	tcase_add_test(tests, neighbours);
	tcase_add_test(tests, given_back);
	tcase_add_test(tests, given_back_together);
	tcase_add_test(tests, given_back_without_holes);
	tcase_add_test(tests, given_back_unknown);
	tcase_add_test(tests, short_lives);
	tcase_add_test(tests, bare);
	tcase_add_test(tests, strangers);
	tcase_add_test(tests, own_protection);
	tcase_add_test(tests, in_pieces);
	tcase_add_test(tests, piecemeal);
	tcase_add_test(tests, stopped);
	tcase_add_test(tests, stopped_on_the_way);
	tcase_add_test(tests, limits);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, random_operations);
	return unit_end();
}
