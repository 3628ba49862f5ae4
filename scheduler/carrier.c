/* SPDX-License-Identifier: MIT */
/* The carrier: the kernel thread that runs coroutines, their run queue, parking and resuming. */
#include "carrier.h"

#include <string.h>

#include "check.h"
#include "raw.h"

#define STACK_SIZE (256UL << 10)
/* After so many calls and switches the loop is looked at, so that I/O and timers never starve. */
#define TICKS 64

#define SET_GS 0x1001 /* asm/prctl.h */
#define SET_FS 0x1002
#define GET_FS 0x1003

_Static_assert(offsetof(struct co_regs, flags) == R_FLAGS, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, sp) == R_RSP, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, ip) == R_RIP, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, bx) == R_RBX, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, ax) == R_RAX, "switch_x86_64.S");
_Static_assert(offsetof(struct co_regs, r15) == R_R15, "switch_x86_64.S");
_Static_assert(offsetof(struct coroutine, regs) == 0, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, current) == CA_CURRENT, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, stack_top) == CA_STACK, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, exit_rip) == CA_EXIT_RIP, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, attention) == CA_ATTENTION, "switch_x86_64.S");
_Static_assert(offsetof(struct carrier, foreign) == CA_FOREIGN, "switch_x86_64.S");

struct sched_hooks sched_hooks;
struct sched_stats sched_stats;
struct carrier carrier_foreign = {.self = &carrier_foreign, .foreign = 1, .kick = -1};

/* What a process begins with: every component in its initial state. */
static const struct {
	uint16_t fcw, fsw, ftw, fop;
	uint64_t ip, dp;
	uint32_t mxcsr, mxcsr_mask;
	char rest[480];
	uint64_t header[8];
} initial_vector __attribute__((aligned(64))) = {.fcw = 0x37f, .mxcsr = 0x1f80};

uint32_t co_vector_size;
uint64_t co_vector_mask;

/*
 * The place of each component that the kernel has enabled (Intel SDM volume 1, 13.2). Not the
 * tiles of AMX: a program must ask the kernel for them, and they are too large to save each time.
 */
static void measure_vector(void)
{
	uint32_t lo, hi, a, b, c, d;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	co_vector_mask = ((uint64_t)hi << 32 | lo) & ~(3UL << 17);
	co_vector_size = 512 + 64;
	for (int i = 2; i < 63; i++) {
		if (!(co_vector_mask >> i & 1))
			continue;
		__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(0xd), "2"(i));
		if (b + a > co_vector_size)
			co_vector_size = b + a;
	}
}

static void xsave(void *to)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(to), "a"((uint32_t)co_vector_mask),
			   "d"((uint32_t)(co_vector_mask >> 32))
			 : "memory");
}

static void xrstor(const void *from)
{
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(from), "a"((uint32_t)co_vector_mask),
			   "d"((uint32_t)(co_vector_mask >> 32))
			 : "memory");
}

int sched_init(size_t object_size, bool wrfsbase)
{
	char *stack = mem_stack(STACK_SIZE);
	struct carrier *ca = mem_pages((sizeof(*ca) + 4095) & ~4095UL);
	int err;

	if (!ca || !stack)
		return -ENOMEM;
	ca->self = ca;
	ca->stack_top = (uint64_t)stack + STACK_SIZE;
	ca->wrfsbase = wrfsbase;
	ca->since = __builtin_ia32_rdtsc();
	slab_init(&ca->coroutines, object_size);
	measure_vector();
	slab_init(&ca->vectors, co_vector_size);
	list_init(&ca->runq);
	list_init(&ca->all);
	raw2(__NR_arch_prctl, GET_FS, &ca->fs_main);
	ca->fs_loaded = ca->fs_main;
	timer_init(ca);
	err = waitq_init();
	if (!err)
		err = loop_init(ca);
	if (!err)
		err = (int)raw2(__NR_arch_prctl, SET_GS, ca);
	return err;
}

struct coroutine *co_current(void)
{
	return this_carrier()->current;
}

unsigned long co_alive(void)
{
	return this_carrier()->alive;
}

struct list *co_registry(void)
{
	return &this_carrier()->all;
}

struct coroutine *co_new(void)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = slab_alloc(&ca->coroutines);

	if (!co)
		return NULL;
	list_init(&co->run);
	list_init(&co->queue_link);
	list_init(&co->fd.link);
	co->fd.fd = -1;
	co->mxcsr = initial_vector.mxcsr;
	co->fcw = initial_vector.fcw;
	co->regs.flags = 0x202;
	list_add_tail(&ca->all, &co->all);
	sched_stats.made++;
	if (++ca->alive > sched_stats.most)
		sched_stats.most = ca->alive;
	if (ca->alive == 2)
		preempt_start(ca);
	return co;
}

static void cancel_waits(struct coroutine *co)
{
	timer_cancel(co);
	waitq_cancel(co);
	fd_wait_cancel(co);
}

void co_free(struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	cancel_waits(co);
	co_drop_vector(co);
	list_del(&co->run);
	list_del(&co->all);
	ca->alive--;
	if (ca->current == co)
		ca->current = NULL;
	slab_free(&ca->coroutines, co);
}

void co_drop_vector(struct coroutine *co)
{
	if (co->vector)
		slab_free(&this_carrier()->vectors, co->vector);
	co->vector = NULL;
}

void *co_vector_alloc(void)
{
	return slab_alloc(&this_carrier()->vectors);
}

/*
 * Takes the vector state out of the processor. Under memory exhaustion there is nothing left to
 * try: a thread that lost its registers cannot go on.
 */
void co_save_vector(struct coroutine *co)
{
	if (!co->live_vector)
		return;
	co->live_vector = false;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(co->mxcsr), "=m"(co->fcw));
	if (co->abi == ABI_C)
		return;
	if (!co->vector)
		co->vector = slab_alloc(&this_carrier()->vectors);
	CHECK(co->vector);
	xsave(co->vector);
}

static void load_vector(struct coroutine *co)
{
	if (co->vector) {
		xrstor(co->vector);
		co_drop_vector(co);
	} else if (co->fresh_vector) {
		xrstor(&initial_vector);
	} else {
		uint32_t mxcsr;
		uint16_t fcw;

		/* Loading either is slow; reading them is not, and they hardly ever differ. */
		__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(fcw));
		if (mxcsr != co->mxcsr)
			__asm__ volatile("ldmxcsr %0" : : "m"(co->mxcsr));
		if (fcw != co->fcw)
			__asm__ volatile("fldcw %0" : : "m"(co->fcw));
	}
	co->fresh_vector = false;
	co->live_vector = true;
}

void carrier_set_fs(uint64_t fs)
{
	struct carrier *ca = this_carrier();

	if (ca->fs_loaded == fs)
		return;
	ca->fs_loaded = fs;
	if (ca->wrfsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(fs));
	else
		raw2(__NR_arch_prctl, SET_FS, fs);
}

/* Whose time it was since the last switch; `co` NULL: nobody's. */
static void account(struct carrier *ca, struct coroutine *co)
{
	uint64_t now = __builtin_ia32_rdtsc();

	if (co) {
		co->cycles += now - ca->since;
		ca->cycles += now - ca->since;
	}
	ca->since = now;
}

/*
 * A thread's clock at every switch would cost a system call: counts of the time-stamp counter
 * are shared out at their worth in real processor time, so that the sum is right.
 */
uint64_t co_cpu_time(const struct coroutine *co)
{
	struct carrier *ca = this_carrier();
	uint64_t own;

	if (ca->current)
		account(ca, ca->current);
	own = co->cycles;
	return (uint64_t)((unsigned __int128)time_now(CLOCK_THREAD_CPUTIME_ID) * own /
			  (ca->cycles ? ca->cycles : 1));
}

void co_run_last(struct coroutine *co)
{
	if (!co->runnable)
		list_add_tail(&this_carrier()->runq, &co->run);
	co->runnable = true;
}

void co_run_next(struct coroutine *co)
{
	if (co->runnable)
		list_del(&co->run);
	list_add_head(&this_carrier()->runq, &co->run);
	co->runnable = true;
}

void co_wake(struct coroutine *co, enum wake why)
{
	if (!co->again)
		return; /* it runs, or is runnable and in no call */
	cancel_waits(co);
	co->woke |= why;
	co_run_last(co);
}

static struct coroutine *runq_pop(struct carrier *ca)
{
	struct coroutine *co;

	if (list_empty(&ca->runq))
		return NULL;
	co = container_of(ca->runq.next, struct coroutine, run);
	list_del(&co->run);
	co->runnable = false;
	return co;
}

/*
 * The end of a call, or a further try of it. True: the coroutine may go on in program text;
 * false: it has parked, or it is no more.
 */
static bool call_ends(struct carrier *ca, struct coroutine *co, long (*again)(struct coroutine *),
		      long result)
{
	for (;;) {
		if (ca->current != co)
			return false;
		co->woke = 0;
		if (result == BLOCKED) {
			co->again = again;
			co_save_vector(co);
			sched_stats.parks[co->parked_by]++;
			return false;
		}
		co->again = NULL;
		cancel_waits(co); /* what was armed before an error */
		if (sched_hooks.finish(co, result))
			return true;
		result = again(co);
	}
}

static _Noreturn void run_text(struct coroutine *co)
{
	if (co->notice)
		sched_hooks.before_run(co);
	carrier_set_fs(co->fs);
	if (!co->live_vector)
		load_vector(co);
	co_resume();
}

_Noreturn void carrier_run(void)
{
	struct carrier *ca = this_carrier();

	for (;;) {
		struct coroutine *co;

		account(ca, ca->current);
		ca->current = NULL;
		if (ca->attention)
			sched_hooks.attend();
		if (list_empty(&ca->runq) || ++ca->ticks >= TICKS) {
			ca->ticks = 0;
			loop_run(ca, list_empty(&ca->runq));
			account(ca, NULL);
		}
		co = runq_pop(ca);
		if (!co)
			continue;
		ca->current = co;
		co->switches++;
		sched_stats.switches++;
		if (!co->again || call_ends(ca, co, co->again, co->again(co)))
			run_text(co);
	}
}

/*
 * After a call that did not block: now and then somebody else's turn, since a coroutine whose
 * calls never block would keep the carrier for ever. True: the current one was put last.
 */
static bool turn_is_over(struct carrier *ca, struct coroutine *co)
{
	if ((++ca->ticks < TICKS && !ca->slice_over) || ca->alive < 2)
		return false;
	ca->ticks = 0;
	ca->slice_over = false;
	co_save_vector(co); /* libev uses vector registers */
	loop_run(ca, false);
	if (list_empty(&ca->runq))
		return false;
	co_run_last(co);
	return true;
}

_Noreturn void carrier_enter(struct coroutine *co, long (*again)(struct coroutine *), long result)
{
	struct carrier *ca = this_carrier();

	if (call_ends(ca, co, again, result) && !turn_is_over(ca, co))
		run_text(co);
	carrier_run();
}

/* From co_syscall. Returns only if the coroutine goes on at once. */
long carrier_enter_front(struct coroutine *co)
{
	struct carrier *ca = this_carrier();
	long result;

	co->abi = ABI_C;
	co->live_vector = true;
	result = sched_hooks.front(co);
	if (call_ends(ca, co, sched_hooks.again, result) && !turn_is_over(ca, co)) {
		if (co->live_vector && !co->notice)
			return (long)co->regs.ax;
		run_text(co);
	}
	carrier_run();
}

/*
 * Whom the clock has woken during the slice goes before those who were runnable already. All of
 * a slice's deadlines show at once here, at its end: behind the others, a thread that waits with
 * a timeout, in a queue of its own making, would lose its place there to a newcomer each time
 * (CPython's interpreter lock: two threads passed it to one another for ever).
 */
static void end_slice(struct carrier *ca)
{
	struct list before;

	co_save_vector(ca->current);
	list_take(&before, &ca->runq);
	loop_run(ca, false);
	while (!list_empty(&before)) {
		struct list *l = before.next;

		list_del(l);
		list_add_tail(&ca->runq, l);
	}
}

_Noreturn void carrier_interrupted(void)
{
	struct carrier *ca = this_carrier();

	if (ca->attention)
		sched_hooks.attend();
	if (ca->slice_over) {
		ca->slice_over = false;
		end_slice(ca);
	}
	if (list_empty(&ca->runq))
		run_text(ca->current);
	/* Somebody was woken: as natively, it does not wait until this one parks. */
	sched_stats.preempted++;
	co_save_vector(ca->current);
	co_run_last(ca->current);
	carrier_run();
}

/* From co_syscall: something was noted after the last look. */
_Noreturn void carrier_front_slow(long result)
{
	this_carrier()->current->regs.ax = (uint64_t)result;
	carrier_interrupted();
}

void carrier_kick(void)
{
	uint64_t one = 1;

	if (this_carrier()->kick >= 0)
		raw3(__NR_write, this_carrier()->kick, &one, sizeof(one));
}

void sched_after_fork(void)
{
	struct carrier *ca = this_carrier();

	list_for_each_safe (l, tmp, &ca->all) {
		struct coroutine *co = container_of(l, struct coroutine, all);

		if (co != ca->current)
			co_free(co);
	}
	preempt_after_fork();
	loop_after_fork(ca);
	timer_after_fork(ca);
	helper_after_fork();
}
