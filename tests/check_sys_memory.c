/* SPDX-License-Identifier: MIT */
/* Unit tests: which memory other processes can see, after any course of mmap and its like. */
/* OBJS: shim/sys_memory.o shim/stacks.o shim/stack_regions.o scheduler/slab.o scheduler/mem.o shim/usercopy_x86_64.o */
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>

#include "../scheduler/raw.h"
#include "../shim/memory.h"
#include "../shim/patch.h"
#include "../shim/sys.h"
#include "unit.h"

#define PAGE  4096UL
#define PAGES 64

static struct thread thread;
static char *area;

static bool pretend; /* more mappings than the kernel would allow */

long sys_native(struct thread *th)
{
	const long *a = th->call.arg;

	if (pretend)
		return th->call.nr == __NR_mmap ? a[0] : 0;
	return raw6(th->call.nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

uint64_t co_cycles(const struct coroutine *co)
{
	(void)co;
	return 0;
}

static uint64_t forgotten[2];

void patch_forget(uint64_t begin, uint64_t end)
{
	forgotten[0] = begin;
	forgotten[1] = end;
}

static long call(long (*fn)(struct thread *), long nr, const long *arg)
{
	memset(&thread.call, 0, sizeof(thread.call));
	thread.call.nr = nr;
	memcpy(thread.call.arg, arg, sizeof(thread.call.arg));
	return fn(&thread);
}

static char *map(void *at, size_t n, int flags)
{
	long arg[6] = {(long)at, (long)n, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0};
	long got = call(sys_mmap, __NR_mmap, arg);

	ck_assert_msg(!raw_failed(got), "mmap: %ld", got);
	return (char *)got;
}

static void unmap(void *at, size_t n)
{
	long arg[6] = {(long)at, (long)n};

	ck_assert_int_eq(call(sys_munmap, __NR_munmap, arg), 0);
}

static char *remap(void *at, size_t old, size_t new, int flags, void *to)
{
	long arg[6] = {(long)at, (long)old, (long)new, flags, (long)to};
	long got = call(sys_mremap, __NR_mremap, arg);

	ck_assert_msg(!raw_failed(got), "mremap: %ld", got);
	return (char *)got;
}

static bool shared(const void *at)
{
	return memory_shared((uint64_t)at);
}

static void setup(void)
{
	ck_assert_int_eq(memory_init(), 0);
	area = map(NULL, PAGES * PAGE, MAP_PRIVATE);
}

START_TEST(edges)
{
	char *p = map(area + 4 * PAGE, 2 * PAGE, MAP_SHARED | MAP_FIXED);

	ck_assert_ptr_eq(p, area + 4 * PAGE);
	ck_assert(shared(p) && shared(p + 2 * PAGE - 1));
	ck_assert(!shared(p - 1) && !shared(p + 2 * PAGE));
	ck_assert(!shared(NULL) && !shared(area) && !shared(&thread));
	ck_assert(!shared((void *)~0UL));
}
END_TEST

START_TEST(part_of_a_page)
{
	char *p = map(NULL, PAGE + 1, MAP_SHARED);

	ck_assert(shared(p + 2 * PAGE - 1));
	ck_assert(!shared(p + 2 * PAGE));
	unmap(p, 1);
	ck_assert(!shared(p + PAGE - 1));
	ck_assert(shared(p + PAGE));
	unmap(p + PAGE, PAGE);
}
END_TEST

START_TEST(holes)
{
	char *p = map(NULL, 5 * PAGE, MAP_SHARED);

	unmap(p + 2 * PAGE, PAGE);
	ck_assert(shared(p + 2 * PAGE - 1));
	ck_assert(!shared(p + 2 * PAGE) && !shared(p + 3 * PAGE - 1));
	ck_assert(shared(p + 3 * PAGE));
	map(p + PAGE, 3 * PAGE, MAP_PRIVATE | MAP_FIXED);
	ck_assert(shared(p) && !shared(p + PAGE) && !shared(p + 3 * PAGE) && shared(p + 4 * PAGE));
	unmap(p, 5 * PAGE);
	ck_assert(!shared(p) && !shared(p + 4 * PAGE));
}
END_TEST

START_TEST(validated)
{
	int fd = memfd_create("x", 0);
	long arg[6] = {0, PAGE, PROT_READ, MAP_SHARED_VALIDATE, fd, 0};
	long p = call(sys_mmap, __NR_mmap, arg);

	ck_assert(!raw_failed(p));
	ck_assert(shared((char *)p));
	arg[3] = MAP_PRIVATE;
	p = call(sys_mmap, __NR_mmap, arg);
	ck_assert(!shared((char *)p));
}
END_TEST

/* A call that fails changes nothing. */
START_TEST(failures)
{
	char *p = map(NULL, PAGE, MAP_SHARED);
	long bad_map[6] = {(long)p, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0};
	long bad_unmap[6] = {(long)p + 1, PAGE};
	long bad_remap[6] = {(long)p, PAGE, PAGE, 0x1000};

	ck_assert_int_eq(call(sys_mmap, __NR_mmap, bad_map), -EBADF);
	ck_assert(shared(p));
	ck_assert_int_eq(call(sys_munmap, __NR_munmap, bad_unmap), -EINVAL);
	ck_assert(shared(p) && shared(p + PAGE - 1));
	ck_assert_int_eq(call(sys_mremap, __NR_mremap, bad_remap), -EINVAL);
	ck_assert(shared(p));
}
END_TEST

START_TEST(moved)
{
	char *p = map(NULL, 2 * PAGE, MAP_SHARED), *q, *r;

	q = remap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, area + 10 * PAGE);
	ck_assert_ptr_eq(q, area + 10 * PAGE);
	ck_assert(!shared(p) && !shared(p + PAGE));
	ck_assert(shared(q) && shared(q + 3 * PAGE - 1) && !shared(q - 1) && !shared(q + 3 * PAGE));
	r = remap(q, 3 * PAGE, PAGE, 0, NULL);
	ck_assert_ptr_eq(r, q);
	ck_assert(shared(r) && !shared(r + PAGE));
	/* Private memory over shared memory. */
	p = map(NULL, PAGE, MAP_PRIVATE);
	remap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r);
	ck_assert(!shared(r) && !shared(p));
}
END_TEST

/* An old size of 0 makes a second mapping of the same memory. */
START_TEST(mapped_twice)
{
	char *p = map(NULL, 2 * PAGE, MAP_SHARED), *q = remap(p, 0, PAGE, MREMAP_MAYMOVE, NULL);

	ck_assert(shared(p) && shared(p + PAGE) && shared(q));
	ck_assert(!shared(q + PAGE) || q + PAGE == p);
}
END_TEST

START_TEST(system_v)
{
	int id = shmget(IPC_PRIVATE, PAGE + 100, IPC_CREAT | 0600);
	long at[6] = {id, 0, 0}, p, dt[6] = {0};

	if (id < 0)
		return; /* no System V memory here */
	p = call(sys_shmat, __NR_shmat, at);
	shmctl(id, IPC_RMID, NULL);
	ck_assert(!raw_failed(p));
	ck_assert(shared((char *)p) && shared((char *)p + 2 * PAGE - 1));
	ck_assert(!shared((char *)p + 2 * PAGE));
	dt[0] = 16;
	ck_assert_int_eq(call(sys_shmdt, __NR_shmdt, dt), -EINVAL);
	ck_assert(shared((char *)p));
	dt[0] = p;
	ck_assert_int_eq(call(sys_shmdt, __NR_shmdt, dt), 0);
	ck_assert(!shared((char *)p) && !shared((char *)p + PAGE));
}
END_TEST

#define MANY 300000

static char *place(long i)
{
	return (char *)(1UL << 40) + i * 2 * (long)PAGE;
}

/* More than any kernel's default lets a program have, no two of them neighbours. */
START_TEST(many)
{
	pretend = true;
	for (long i = 0; i < MANY; i++)
		map(place(i), PAGE, MAP_SHARED | MAP_FIXED);
	for (long i = 0; i < MANY; i++) {
		ck_assert(memory_shared((uint64_t)place(i)));
		ck_assert(!memory_shared((uint64_t)place(i) + PAGE));
	}
	pretend = false;
}
END_TEST

/* Without memory for the table none is taken for private. */
START_TEST(no_room)
{
	long arg[6] = {0, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS, -1, 0};
	struct rlimit old, none = {0};

	pretend = true;
	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_AS, &none);
	for (long i = 0; i < MANY; i++) {
		/* no assertion: those allocate */
		arg[0] = (long)place(i);
		call(sys_mmap, __NR_mmap, arg);
	}
	setrlimit(RLIMIT_AS, &old);
	for (long i = 0; i < MANY; i++)
		ck_assert(memory_shared((uint64_t)place(i)));
	pretend = false;
}
END_TEST

START_TEST(random_operations)
{
	bool model[PAGES] = {false};

	map(area, PAGE, MAP_SHARED | MAP_FIXED);
	map(area, PAGE, MAP_PRIVATE | MAP_FIXED);
	for (int step = 0; step < 20000; step++) {
		size_t from = unit_random() % PAGES, n = 1 + unit_random() % (PAGES - from);
		size_t to = unit_random() % PAGES;

		if (n > 12)
			n = 12;
		switch (unit_random() % 5) {
		case 0:
		case 1:
			map(area + from * PAGE, n * PAGE, MAP_SHARED | MAP_FIXED);
			memset(model + from, true, n);
			break;
		case 2:
			map(area + from * PAGE, n * PAGE, MAP_PRIVATE | MAP_FIXED);
			memset(model + from, false, n);
			break;
		case 3:
			unmap(area + from * PAGE, n * PAGE);
			memset(model + from, false, n);
			break;
		default:
			/* One page, so that all of it is one mapping; there must be one. */
			if (from == to)
				break;
			map(area + from * PAGE, PAGE,
			    step % 2 ? MAP_SHARED | MAP_FIXED : MAP_PRIVATE | MAP_FIXED);
			remap(area + from * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      area + to * PAGE);
			model[from] = false;
			model[to] = step % 2;
		}
		for (size_t i = 0; i < PAGES; i++)
			if (shared(area + i * PAGE + step % PAGE) != model[i])
				ck_abort_msg("step %d: page %zu is%s shared", step, i,
					     model[i] ? "" : " not");
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("sys_memory", 20, setup);

	tcase_add_test(tests, edges);
	tcase_add_test(tests, part_of_a_page);
	tcase_add_test(tests, holes);
	tcase_add_test(tests, validated);
	tcase_add_test(tests, failures);
	tcase_add_test(tests, moved);
	tcase_add_test(tests, mapped_twice);
	tcase_add_test(tests, system_v);
	tcase_add_test(tests, random_operations);
	tcase_add_test(tests, many);
	tcase_add_test(tests, no_room);
	return unit_end();
}
