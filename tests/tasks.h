/* SPDX-License-Identifier: MIT */
/*
 * Coroutines for unit suites. A task runs a C function on a stack of its own; it goes through the
 * scheduler's front door with an operation, a C function that stands where a system call's
 * handler would: it arms waits and says BLOCKED, or says the result.
 */
#ifndef TESTS_TASKS_H
#define TESTS_TASKS_H

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "unit.h"

#define TASK_STACK (64UL << 10)
#define MS         1000000UL /* nanoseconds */

/* Code that runs while vector registers of a task are in the processor. */
#define NO_VECTOR __attribute__((target("general-regs-only")))

struct task {
	struct coroutine co;
	void (*body)(struct task *);
	long (*op)(struct task *);
	long arg[6];
	unsigned tries;   /* of the operation, before this one */
	unsigned refused; /* so many results are not accepted: see sched_hooks.finish */
	int id;
	char *stack;
};

static jmp_buf tasks_over;
static int task_log[4096];
static unsigned task_logged;

static inline struct task *task_of(struct coroutine *co)
{
	return container_of(co, struct task, co);
}

static inline struct task *task_self(void)
{
	return task_of(co_current());
}

#define call3(op, a, b, c) co_syscall((long)(op), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define call2(op, a, b)    call3(op, a, b, 0)
#define call1(op, a)       call3(op, a, 0, 0)
#define call0(op)          call3(op, 0, 0, 0)

/* Notes who came by, for tests of the order. */
static inline void note(int what)
{
	ck_assert_uint_lt(task_logged, sizeof(task_log) / sizeof(task_log[0]));
	task_log[task_logged++] = what;
}

static inline void check_log(const int *expected, unsigned n)
{
	ck_assert_uint_eq(task_logged, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert_msg(task_log[i] == expected[i], "place %u: %d, expected %d", i,
			      task_log[i], expected[i]);
}

#define CHECK_LOG(...) \
	check_log((const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))

static inline void op_leave(void)
{
	carrier_set_fs(this_carrier()->fs_main);
	longjmp(tasks_over, 1);
}

static inline long op_exit(struct task *t)
{
	char *stack = t->stack;

	co_free(&t->co);
	mem_pages_free(stack, TASK_STACK);
	if (!co_alive())
		op_leave();
	return 0;
}

static inline long op_yield(struct task *t)
{
	if (t->tries)
		return 0;
	co_run_last(&t->co);
	return BLOCKED;
}

static inline long op_nothing(struct task *t)
{
	return t->arg[0];
}

/* Until somebody wakes it; the result is why. */
static inline long op_park(struct task *t)
{
	t->co.parked_by = PARK_OTHER;
	return t->co.woke ? t->co.woke : BLOCKED;
}

static inline long op_fork(struct task *t)
{
	long pid = raw1(__NR_fork, 0);

	(void)t;
	if (!pid)
		sched_after_fork();
	return pid;
}

/* Arguments: clock, deadline. */
static inline long op_until(struct task *t)
{
	long err;

	if (t->co.woke)
		return t->co.woke;
	t->co.parked_by = PARK_TIME;
	err = wait_until(&t->co, (int)t->arg[0], (uint64_t)t->arg[1]);
	return err ? err : BLOCKED;
}

/* Arguments: key, bits, nanoseconds from now or 0. */
static inline long op_queue(struct task *t)
{
	if (t->co.woke)
		return t->co.woke;
	t->co.parked_by = PARK_QUEUE;
	wait_queue(&t->co, (uint64_t)t->arg[0], (uint32_t)t->arg[1]);
	if (t->arg[2] &&
	    wait_until(&t->co, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + (uint64_t)t->arg[2]))
		return -ENOMEM;
	return BLOCKED;
}

/* Arguments: descriptor, events, nanoseconds from now or 0. */
static inline long op_fd(struct task *t)
{
	long err;

	if (t->co.woke)
		return t->co.woke;
	t->co.parked_by = PARK_FD;
	err = wait_fd(&t->co, (int)t->arg[0], (short)t->arg[1]);
	if (err)
		return err;
	if (t->arg[2] &&
	    wait_until(&t->co, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + (uint64_t)t->arg[2]))
		return -ENOMEM;
	return BLOCKED;
}

static inline long sleep_ns(uint64_t ns)
{
	return call2(op_until, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + ns);
}

static inline void yield(void)
{
	ck_assert_int_eq(call0(op_yield), 0);
}

static void task_main(void)
{
	task_self()->body(task_self());
	call0(op_exit);
	abort();
}

static inline struct task *task_new(void (*body)(struct task *), int id)
{
	struct task *t = task_of(co_new());
	char *stack = mem_stack(TASK_STACK);

	ck_assert(t && stack);
	t->body = body;
	t->id = id;
	t->stack = stack;
	t->co.fs = this_carrier()->fs_main;
	t->co.regs.ip = (uint64_t)task_main;
	t->co.regs.sp = (uint64_t)stack + TASK_STACK - 8;
	co_run_last(&t->co);
	return t;
}

/* Returns when all tasks have ended. */
static inline void tasks_run(void)
{
	if (!setjmp(tasks_over))
		carrier_stack_call(carrier_run, this_carrier()->stack_top);
}

static NO_VECTOR long hook_front(struct coroutine *co)
{
	struct task *t = task_of(co);
	struct co_regs *r = &co->regs;

	t->op = (long (*)(struct task *))r->di;
	t->arg[0] = (long)r->si;
	t->arg[1] = (long)r->dx;
	t->arg[2] = (long)r->cx;
	t->arg[3] = (long)r->r8;
	t->arg[4] = (long)r->r9;
	t->arg[5] = *(long *)r->sp;
	t->tries = 0;
	return t->op(t);
}

static NO_VECTOR long hook_again(struct coroutine *co)
{
	struct task *t = task_of(co);

	t->tries++;
	return t->op(t);
}

static NO_VECTOR bool hook_finish(struct coroutine *co, long result)
{
	struct task *t = task_of(co);

	if (t->refused) {
		t->refused--;
		return false;
	}
	co->regs.ax = (uint64_t)result;
	return true;
}

/* The fixture of a suite with tasks. */
static inline void tasks_setup(void)
{
	sched_hooks.front = hook_front;
	sched_hooks.again = hook_again;
	sched_hooks.finish = hook_finish;
	ck_assert_int_eq(sched_init(sizeof(struct task), getauxval(AT_HWCAP2) & 2), 0);
}

#endif
