/* SPDX-License-Identifier: MIT */
/* The reader of other processes' coroutines: what it makes of good, torn and hostile memory. */
/* OBJS: shim/eyes/registry.o shim/eyes/process.o shim/registry.o */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../scheduler/carrier.h"
#include "../shim/eyes/eyes.h"
#include "../shim/thread.h"
#include "unit.h"

#define AT      0x10000000UL /* where the memory of the process seems to be */
#define SIZE    (256UL << 10)
#define THREADS 20

/* What shim/registry.o needs of others; nothing here runs. */
int process_id = 4711;
extern struct copatch_registry copatch_registry;
bool stamp_by_clock;

uint64_t time_now(int clock)
{
	return (uint64_t)clock;
}

_Noreturn void eyes_fail(const char *format, ...)
{
	ck_abort_msg("%s", format);
	abort();
}

bool eyes_stop_carrier(struct eyes_process *p)
{
	return p->live;
}

static unsigned char memory[SIZE];
static unsigned long reads;

static bool read_memory(struct eyes_process *p, uint64_t at, void *to, size_t n)
{
	(void)p;
	reads++;
	if (at < AT || at - AT > SIZE || n > SIZE - (at - AT))
		return false;
	memcpy(to, memory + (at - AT), n);
	return true;
}

static uint64_t there(const void *here)
{
	return AT + (uint64_t)((const unsigned char *)here - memory);
}

static struct carrier *carrier(void)
{
	return (struct carrier *)memory;
}

static struct thread *thread(int i)
{
	return (struct thread *)(memory + 8192) + i;
}

static struct timer_entry *timers(void)
{
	return (struct timer_entry *)(memory + SIZE / 2);
}

static struct eyes_process process(void)
{
	struct eyes_process p = {.pid = getpid(), .read = read_memory, .start_at = -1};

	p.reg = copatch_registry;
	p.reg.carrier = AT;
	p.reg.pid = 4711;
	p.ns_per_tick = 1;
	return p;
}

/* Addresses as the process has them, in memory that is ours. */
static void build(void)
{
	struct carrier *ca = carrier();
	uint64_t before = there(&ca->all);

	memset(memory, 0, sizeof(memory));
	for (int i = 0; i < THREADS; i++) {
		struct thread *th = thread(i);
		uint64_t self = there(&th->co.all);

		*(uint64_t *)(i ? (void *)&thread(i - 1)->co.all.next : (void *)&ca->all.next) =
			self;
		*(uint64_t *)&th->co.all.prev = before;
		before = self;
		th->tid = i ? (1 << 22) + i : 4711;
		snprintf(th->name, sizeof(th->name), "thread %d", i);
		th->co.fd.fd = -1;
		th->co.switches = (uint64_t)i * 10;
		*(uint64_t *)&th->co.again = 1;
		th->call.nr = 202;
	}
	*(uint64_t *)&thread(THREADS - 1)->co.all.next = there(&ca->all);
	*(uint64_t *)&ca->all.prev = before;
	*(uint64_t *)&ca->current = there(thread(3));
	thread(4)->co.runnable = true;
	thread(5)->co.queue_key = AT + 64; /* a mutex in nobody's hands */
	thread(6)->co.queue_key = AT + SIZE - 64;
	((uint32_t *)(memory + SIZE - 64))[0] = 2;
	((uint32_t *)(memory + SIZE - 64))[2] = (1 << 22) + 7;
	thread(7)->co.fd.fd = 9;
	thread(7)->co.fd.events = WAIT_READ;
	*(uint64_t *)&thread(7)->co.fd.next = there(&thread(8)->co.fd);
	thread(8)->co.fd.fd = 10;
	thread(8)->co.fd.events = WAIT_WRITE;
	*(uint64_t *)&ca->timers[0].entry = there(timers());
	ca->timers[0].count = 1;
	timers()[0].deadline = 1UL << 62;
	*(uint64_t *)&timers()[0].co = there(thread(9));
	thread(9)->co.timer_pos = 1;
}

START_TEST(reads_what_is_there)
{
	struct eyes_process p = process();
	struct eyes_snapshot s = {.co = NULL};
	const struct eyes_co *co;

	build();
	ck_assert_ptr_null(eyes_check(&p.reg));
	ck_assert_int_eq(eyes_look(&p, &s), 0);
	ck_assert(!s.torn);
	ck_assert_uint_eq(s.count, THREADS);
	ck_assert_uint_eq(s.running, 1);
	ck_assert_uint_eq(s.runnable, 1);
	ck_assert_uint_eq(s.parked, THREADS - 2);
	for (int i = 0; i < THREADS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "thread %d", i);
		co = eyes_find(&s, i ? (1 << 22) + i : 4711);
		ck_assert_ptr_nonnull(co);
		ck_assert_str_eq(co->name, name);
		ck_assert_uint_eq(co->switches, (uint64_t)i * 10);
	}
	ck_assert_int_eq(eyes_find(&s, (1 << 22) + 3)->state, EYES_RUNNING);
	ck_assert_int_eq(eyes_find(&s, (1 << 22) + 4)->state, EYES_RUNNABLE);
	co = eyes_find(&s, (1 << 22) + 5);
	ck_assert_int_eq(co->wait, WAIT_FUTEX);
	ck_assert_int_eq(co->owner, 0);
	co = eyes_find(&s, (1 << 22) + 6);
	ck_assert_int_eq(co->owner_kind, OWNER_MUTEX);
	ck_assert_int_eq(co->owner, (1 << 22) + 7);
	co = eyes_find(&s, (1 << 22) + 7);
	ck_assert_int_eq(co->wait, WAIT_FD);
	ck_assert_uint_eq(co->fds, 2);
	ck_assert_int_eq(co->fd[1].fd, 10);
	ck_assert_int_eq(co->fd[1].events, WAIT_WRITE);
	co = eyes_find(&s, (1 << 22) + 9);
	ck_assert(co->timed);
	ck_assert_int_eq(co->wait, WAIT_TIME);
	ck_assert_int_gt(co->left_ns, 1L << 60);
	ck_assert_ptr_null(eyes_find(&s, 5));
	eyes_forget(&s);
}
END_TEST

START_TEST(tells_a_torn_list)
{
	struct eyes_process p = process();
	struct eyes_snapshot s = {.co = NULL};

	build();
	*(uint64_t *)&thread(10)->co.all.prev = there(&thread(2)->co.all);
	ck_assert_int_eq(eyes_look(&p, &s), 0);
	ck_assert(s.torn);
	ck_assert_uint_eq(s.count, 10);
	/* A circle that never comes back to the head. */
	build();
	*(uint64_t *)&thread(12)->co.all.next = there(&thread(3)->co.all);
	ck_assert_int_eq(eyes_look(&p, &s), 0);
	ck_assert(s.torn);
	ck_assert_uint_eq(s.count, 13);
	/* One that waits for descriptors without end. */
	build();
	*(uint64_t *)&thread(8)->co.fd.next = there(&thread(7)->co.fd);
	ck_assert_int_eq(eyes_look(&p, &s), 0);
	ck_assert_uint_ge(s.co[7].fds, EYES_FDS);
	eyes_forget(&s);
}
END_TEST

/* Every node that is asked for is there, and points at one more. */
static bool read_endless(struct eyes_process *p, uint64_t at, void *to, size_t n)
{
	uint64_t link[2];
	int tid = at & 4096 ? 7 : 0; /* some of them are being born */

	if (n != p->reg.thread_size)
		return read_memory(p, at, to, n);
	memset(to, 0, n);
	link[0] = at + 4096 + p->reg.where[REG_LINK].at;
	link[1] = at == AT + SIZE ? AT + p->reg.where[REG_ALL].at
				  : at - 4096 + p->reg.where[REG_LINK].at;
	memcpy((char *)to + p->reg.where[REG_LINK].at, link, sizeof(link));
	memcpy((char *)to + p->reg.where[REG_TID].at, &tid, sizeof(tid));
	return true;
}

START_TEST(ends_where_the_list_does_not)
{
	struct eyes_process p = process();
	struct eyes_snapshot s = {.co = NULL};

	build();
	*(uint64_t *)&carrier()->all.next = AT + SIZE + p.reg.where[REG_LINK].at;
	p.read = read_endless;
	ck_assert_int_eq(eyes_look(&p, &s), 0);
	ck_assert(s.torn);
	ck_assert_uint_gt(s.count, 500000);
	ck_assert_uint_lt(s.count, 2000000);
	eyes_forget(&s);
}
END_TEST

START_TEST(survives_random_memory)
{
	for (int round = 0; round < 20000; round++) {
		struct eyes_process p = process();
		struct eyes_snapshot s = {.co = NULL};
		int err;

		build();
		for (int i = 0; i < 1 + round % 40; i++) {
			uint64_t at = unit_random() % (8192 + THREADS * sizeof(struct thread));

			at &= ~7UL;
			*(uint64_t *)(memory + at) =
				unit_random() % 3 ? AT + unit_random() % SIZE : unit_random();
		}
		err = eyes_look(&p, &s);
		ck_assert(err == 0 || err == -ENOMEM);
		ck_assert_uint_le(s.count, 2000000);
		ck_assert_uint_eq(s.running + s.runnable + s.parked, s.count);
		eyes_forget(&s);
	}
}
END_TEST

START_TEST(survives_random_registries)
{
	unsigned accepted = 0;

	for (int round = 0; round < 20000; round++) {
		struct eyes_process p = process();
		struct eyes_snapshot s = {.co = NULL};
		unsigned char *bytes = (unsigned char *)&p.reg;

		build();
		for (int i = 0; i < 1 + round % 4; i++)
			bytes[unit_random() % sizeof(p.reg)] = (unsigned char)unit_random();
		if (eyes_check(&p.reg))
			continue;
		accepted++;
		ck_assert_int_le(eyes_look(&p, &s), 0);
		eyes_forget(&s);
	}
	ck_assert_uint_gt(accepted, 100);
}
END_TEST

START_TEST(refuses_wrong_registries)
{
	struct copatch_registry good = copatch_registry, bad;

	ck_assert_ptr_null(eyes_check(&good));
	bad = good;
	bad.magic[0] = 'C';
	ck_assert_ptr_nonnull(eyes_check(&bad));
	bad = good;
	bad.version++;
	ck_assert_ptr_nonnull(eyes_check(&bad));
	bad = good;
	bad.fields--;
	ck_assert_ptr_nonnull(eyes_check(&bad));
	bad = good;
	bad.fields++; /* of a newer copatch */
	ck_assert_ptr_null(eyes_check(&bad));
	bad = good;
	bad.thread_size = 1U << 30;
	ck_assert_ptr_nonnull(eyes_check(&bad));
	for (int f = 0; f < REG_FIELDS; f++) {
		bad = good;
		bad.where[f].at = 65535;
		ck_assert_ptr_nonnull(eyes_check(&bad));
		bad = good;
		bad.where[f].size = 0;
		ck_assert_ptr_nonnull(eyes_check(&bad));
	}
}
END_TEST

/* A library as ld.so maps it: this program's own text serves. */
START_TEST(finds_symbols)
{
	struct eyes_process p = process();

	p.read = read_memory;
	memset(memory, 0, sizeof(memory));
	ck_assert_uint_eq(eyes_symbol(&p, AT, "x"), 0);
	for (int round = 0; round < 20000; round++) {
		Elf64_Ehdr *head = (Elf64_Ehdr *)memory;
		Elf64_Phdr *ph = (Elf64_Phdr *)(memory + 64);
		Elf64_Dyn *dyn = (Elf64_Dyn *)(memory + 4096);
		uint32_t *hash = (uint32_t *)(memory + 8192);
		Elf64_Sym *sym = (Elf64_Sym *)(memory + 12288);

		memset(memory, 0, 20000);
		memcpy(head->e_ident, ELFMAG, SELFMAG);
		head->e_ident[EI_CLASS] = ELFCLASS64;
		head->e_phoff = 64;
		head->e_phentsize = sizeof(*ph);
		head->e_phnum = 1;
		ph->p_type = PT_DYNAMIC;
		ph->p_vaddr = 4096;
		dyn[0] = (Elf64_Dyn){DT_SYMTAB, {round % 2 ? AT + 12288 : 12288}};
		dyn[1] = (Elf64_Dyn){DT_STRTAB, {AT + 16384}};
		dyn[2] = (Elf64_Dyn){DT_GNU_HASH, {AT + 8192}};
		hash[0] = 1; /* buckets, first symbol, words of the filter, shift, filter */
		hash[1] = 1;
		hash[2] = 1;
		hash[6] = 1; /* bucket */
		hash[7] = (5381 * 33 + 'x') | 1;
		sym[1].st_name = 1;
		sym[1].st_value = 0x123;
		memory[16385] = 'x';
		ck_assert_uint_eq(eyes_symbol(&p, AT, "x"), AT + 0x123);
		ck_assert_uint_eq(eyes_symbol(&p, AT, "y"), 0);
		for (int i = 0; i < 1 + round % 20; i++)
			memory[unit_random() % 16500] = (unsigned char)unit_random();
		reads = 0;
		eyes_symbol(&p, AT, "x");
		ck_assert_uint_lt(reads, 20000);
	}
}
END_TEST

int main(void)
{
	TCase *t = unit_begin("eyes_registry", 50, NULL);

	tcase_add_test(t, reads_what_is_there);
	tcase_add_test(t, tells_a_torn_list);
	tcase_add_test(t, ends_where_the_list_does_not);
	tcase_add_test(t, survives_random_memory);
	tcase_add_test(t, survives_random_registries);
	tcase_add_test(t, refuses_wrong_registries);
	tcase_add_test(t, finds_symbols);
	return unit_end();
}
