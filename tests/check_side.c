/* SPDX-License-Identifier: MIT */
/* Unit tests: the side door in assembly, which wakes it answers itself and what it saves of others.
 */
/* OBJS: shim/side_x86_64.o SCHEDULER */
#include <linux/futex.h>
#include <sys/syscall.h>

#include "../shim/patch.h"
#include "../shim/report.h"
#include "tasks.h"

struct report report;

static unsigned wakes, enters;
static struct co_regs seen;
static int seen_abi;

/* As in patch.c: a wake goes on at once, in the same place. */
__attribute__((used)) NO_VECTOR bool side_wakes(struct coroutine *co, int abi)
{
	wakes++;
	seen = co->regs;
	seen_abi = abi;
	co->regs.ax = 5;
	return true;
}

__attribute__((used)) NO_VECTOR void side_enter(struct coroutine *co, int abi)
{
	enters++;
	seen = co->regs;
	seen_abi = abi;
	co->regs.ax = 6;
}

/* A system call through the door; the registers that the kernel keeps must be kept. */
static long through(const char *door, long nr, const void *at, long op)
{
	register long r10 __asm__("r10") = 10, r8 __asm__("r8") = 8, r9 __asm__("r9") = 9;
	register long r12 __asm__("r12") = 12, r15 __asm__("r15") = 15;
	bool kept;
	long ax = nr, di = (long)at, si = op, dx = 1;

	__asm__ volatile("sub $128, %%rsp\n"
			 "lea 1f(%%rip), %%rcx\n"
			 "jmp *%%rbx\n"
			 "1: add $128, %%rsp"
			 : "+a"(ax), "+D"(di), "+S"(si), "+d"(dx), "+r"(r10), "+r"(r8), "+r"(r9),
			   "+r"(r12), "+r"(r15)
			 : "b"(door)
			 : "rcx", "r11", "memory", "cc");
	/* At once: the compiler's own calls are not so careful. */
	kept = di == (long)at && si == op && dx == 1 && r10 == 10 && r8 == 8 && r9 == 9 &&
	       r12 == 12 && r15 == 15;
	ck_assert(kept);
	return ax;
}

static uint32_t word[4];

static long wake(const char *door)
{
	return through(door, SYS_futex, word, FUTEX_WAKE_PRIVATE);
}

/* Answered by C. */
static bool led_on(const char *door)
{
	unsigned before = wakes;

	return wake(door) == 5 && wakes == before + 1;
}

static void calls(struct task *t)
{
	const char *const doors[] = {side_entry, side_entry_c, side_entry_dead};
	struct carrier *ca = this_carrier();

	(void)t;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(through(doors[i], SYS_getppid, word, 3), 6);
		ck_assert_uint_eq(enters, i + 1);
		ck_assert_int_eq(seen_abi, i == 2 ? ABI_C : ABI_SYSCALL);
		ck_assert_uint_eq(seen.ax, SYS_getppid);
		ck_assert_uint_eq(seen.di, (uint64_t)word);
		ck_assert_uint_eq(seen.r12, 12);
		ck_assert_uint_eq(seen.r15, 15);
		ck_assert_uint_eq(seen.cx, seen.ip);
		ck_assert_uint_eq(seen.flags, seen.r11);
		ck_assert(!i == (seen.flags != 0));
		ck_assert_int_eq(through(doors[i], SYS_futex, word, FUTEX_WAKE), 6);
		enters--;
		ca->ticked = 1;
		ck_assert(led_on(doors[i]));
		ck_assert_int_eq(seen_abi, i == 2 ? ABI_C : ABI_SYSCALL);
		ck_assert_uint_eq(seen.ax, SYS_futex);
		ck_assert_uint_eq(seen.si, FUTEX_WAKE_PRIVATE);
		ca->ticked = 0;
	}
}

START_TEST(every_call)
{
	task_new(calls, 1);
	tasks_run();
}
END_TEST

static void waits(struct task *t)
{
	(void)t;
	call3(op_queue, word, 1, 0);
}

static void wakes_nobody(struct task *t)
{
	struct carrier *ca = this_carrier();
	const char *door = side_entry_c;
	unsigned ticks = ca->ticks;

	t->co.called = ca->acted = false;
	ck_assert_int_eq(wake(door), 0);
	ck_assert_uint_eq(wakes, 0);
	ck_assert_uint_eq(report.side, 1);
	ck_assert_uint_eq(ca->ticks, ticks + 1);
	ck_assert(t->co.called && ca->acted);
	ck_assert_int_eq(through(door, SYS_futex, (char *)word + 1, FUTEX_WAKE_PRIVATE), 5);
	wakes = 0;
	/* What else there may be to look after. */
	t->co.hog = true;
	ck_assert(led_on(door));
	t->co.hog = false;
	ca->short_over = true;
	ck_assert(led_on(door));
	ca->short_over = false;
	ca->ticks = TURN_CALLS - 2;
	ck_assert_int_eq(wake(door), 0);
	ck_assert(led_on(door));
	ca->ticks = 0;
	/* A queue that was used and is empty again, and one where somebody waits. */
	yield();
	ck_assert_ptr_nonnull(waitq_first((uint64_t)word));
	ck_assert(led_on(door));
	ck_assert_uint_eq(waitq_wake((uint64_t)word, 1, 1), 1);
	yield();
	ck_assert_int_eq(wake(door), 0);
	waitq_close_doors();
	ck_assert(led_on(door));
}

START_TEST(nobody)
{
	task_new(wakes_nobody, 1);
	task_new(waits, 2);
	tasks_run();
}
END_TEST

/* The door looks into the same queue as all others. */
static void looks_everywhere(struct task *t)
{
	static uint32_t words[1 << 16];
	struct coroutine *other = co_new();

	(void)t;
	this_carrier()->ticks = 0;
	for (int i = 0; i < 30; i++) {
		uint32_t *at = &words[unit_random() % (sizeof(words) / sizeof(*words))];

		wait_queue(other, (uint64_t)at, 1);
		ck_assert_int_eq(through(side_entry_c, SYS_futex, at, FUTEX_WAKE_PRIVATE), 5);
		waitq_cancel(other);
		ck_assert_int_eq(through(side_entry_c, SYS_futex, at, FUTEX_WAKE_PRIVATE), 0);
	}
	co_free(other);
}

START_TEST(queues)
{
	task_new(looks_everywhere, 1);
	tasks_run();
}
END_TEST

static unsigned attended;

static void attend(void)
{
	attended++;
	this_carrier()->attention = 0;
}

/* Whoever comes out of a door has been heard before. */
static void is_noted(struct task *t)
{
	(void)t;
	this_carrier()->attention = 1;
	ck_assert(led_on(side_entry_c));
	ck_assert_uint_eq(attended, 1);
	this_carrier()->attention = 1;
	ck_assert_int_eq(through(side_entry, SYS_futex, word, FUTEX_WAKE_PRIVATE), 5);
	ck_assert_uint_eq(attended, 2);
}

START_TEST(attention)
{
	sched_hooks.attend = attend;
	task_new(is_noted, 1);
	tasks_run();
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("side", 20, tasks_setup);

	tcase_add_test(tests, every_call);
	tcase_add_test(tests, nobody);
	tcase_add_test(tests, queues);
	tcase_add_test(tests, attention);
	return unit_end();
}
