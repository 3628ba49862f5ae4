/* SPDX-License-Identifier: MIT */
/* Unit tests: the carrier: order, what a switch keeps, fairness, hooks, the child of a fork. */
/* OBJS: SCHEDULER */
#include <signal.h>
#include <sys/wait.h>

#include "tasks.h"

#define XSTR(x) #x
#define STR(x)  XSTR(x)

/*
 * long registers_kept(op, seed): calls `op` by the front door with known values in every register
 * that C preserves, and a known value as the argument on the stack. Returns what has changed.
 *
 * void back_door(op): saves all that a SIGSYS handler would, and enters the carrier.
 *
 * void vectors_kept(op, state): loads vector registers from `state`, goes through the back door,
 * and stores them there again. avx_kept: the same, for all of their 256 bits.
 */
__asm__(".text\n"
	"registers_kept:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
	"	lea 1(%rsi), %rbx; lea 2(%rsi), %rbp; lea 3(%rsi), %r12\n"
	"	lea 4(%rsi), %r13; lea 5(%rsi), %r14; lea 6(%rsi), %r15\n"
	"	sub $16, %rsp\n"
	"	movq $77, (%rsp)\n"
	"	call co_syscall\n"
	"	add $16, %rsp\n"
	"	pop %rsi\n"
	"	pushfq; pop %rax; and $0x400, %eax\n" /* the direction flag */
	"	lea 1(%rsi), %rdx; xor %rbx, %rdx; or %rdx, %rax\n"
	"	lea 2(%rsi), %rdx; xor %rbp, %rdx; or %rdx, %rax\n"
	"	lea 3(%rsi), %rdx; xor %r12, %rdx; or %rdx, %rax\n"
	"	lea 4(%rsi), %rdx; xor %r13, %rdx; or %rdx, %rax\n"
	"	lea 5(%rsi), %rdx; xor %r14, %rdx; or %rdx, %rax\n"
	"	lea 6(%rsi), %rdx; xor %r15, %rdx; or %rdx, %rax\n"
	"	cld\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n"
	"back_door:\n"
	"	mov %gs:" STR(
		CA_CURRENT) ", %rax\n"
			    "	mov %rdi, " STR(
				    R_RDI) "(%rax)\n"
					   "	mov %rbx, " STR(R_RBX) "(%rax); mov %rbp, " STR(
						   R_RBP) "(%rax)\n"
							  "	mov %r12, " STR(
								  R_R12) "(%rax); "
									 "mov "
									 "%r13, " STR(
										 R_R13) "(%rax)\n"
											"	mov"
											" %r14,"
											" " STR(R_R14) "(%rax); mov %r15, " STR(
												R_R15) "(%rax)\n"
												       "	pop %rdx\n"
												       "	mov %rdx, " STR(R_RIP) "(%rax); mov %rsp, " STR(
													       R_RSP) "(%rax)\n"
														      "	mov %gs:" STR(
															      CA_STACK) ", %rsp\n"
																	"	mov %rax, %rdi\n"
																	"	call back_door_entered\n"
																	"	jmp co_resume\n"
																	"vectors_kept:\n"
																	"	push %rbx\n"
																	"	mov %rsi, %rbx\n"
																	"	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
																	"	movups \\n * 16(%rbx), %xmm\\n\n"
																	"	.endr\n"
																	"	fldt 512(%rbx)\n"
																	"	call back_door\n"
																	"	fstpt 512(%rbx)\n"
																	"	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
																	"	movups %xmm\\n, \\n * 16(%rbx)\n"
																	"	.endr\n"
																	"	pop %rbx\n"
																	"	ret\n"
																	"avx_kept:\n"
																	"	push %rbx\n"
																	"	mov %rsi, %rbx\n"
																	"	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
																	"	vmovups \\n * 32(%rbx), %ymm\\n\n"
																	"	.endr\n"
																	"	fldt 512(%rbx)\n"
																	"	call back_door\n"
																	"	fstpt 512(%rbx)\n"
																	"	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
																	"	vmovups %ymm\\n, \\n * 32(%rbx)\n"
																	"	.endr\n"
																	"	vzeroupper\n"
																	"	pop %rbx\n"
																	"	ret\n");

long registers_kept(long (*op)(struct task *), uint64_t seed);
void vectors_kept(long (*op)(struct task *), void *state);
void avx_kept(long (*op)(struct task *), void *state);

NO_VECTOR void back_door_entered(struct task *t)
{
	t->op = (long (*)(struct task *))t->co.regs.di;
	t->tries = 0;
	t->co.abi = ABI_SYSCALL;
	t->co.live_vector = true;
	carrier_enter(&t->co, hook_again, t->op(t));
}

static void three_rounds(struct task *t)
{
	for (int i = 0; i < 3; i++) {
		note(t->id);
		yield();
	}
}

START_TEST(order)
{
	for (int i = 1; i < 5; i++)
		task_new(three_rounds, i);
	ck_assert_uint_eq(co_alive(), 4);
	tasks_run();
	CHECK_LOG(1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4);
	ck_assert_uint_eq(co_alive(), 0);
	ck_assert(list_empty(co_registry()));
	ck_assert_uint_eq(sched_stats.made, 4);
	ck_assert_uint_eq(sched_stats.most, 4);
}
END_TEST

static void notes(struct task *t)
{
	note(t->id);
}

START_TEST(next_and_last)
{
	struct task *t[4];

	for (int i = 0; i < 4; i++)
		t[i] = task_new(notes, i);
	co_run_next(&t[2]->co); /* it stands in the queue already */
	co_run_last(&t[0]->co); /* so does this, and keeps its place */
	co_run_next(&t[3]->co);
	tasks_run();
	CHECK_LOG(3, 2, 0, 1);
}
END_TEST

static struct task *parked;

static void parks(struct task *t)
{
	note(t->id);
	note((int)call0(op_park));
	note((int)call0(op_park));
}

static void wakes(struct task *t)
{
	note(t->id);
	co_wake(&t->co, WAKE_EVENT); /* it runs: nothing to do */
	ck_assert_uint_eq(t->co.woke, 0);
	co_wake(&parked->co, WAKE_EVENT);
	co_wake(&parked->co, WAKE_SIGNAL); /* both reasons are kept, and it runs once */
	yield();
	note(t->id);
	co_wake(&parked->co, WAKE_TIMEOUT);
}

START_TEST(wake)
{
	parked = task_new(parks, 1);
	task_new(wakes, 2);
	tasks_run();
	CHECK_LOG(1, 2, WAKE_EVENT | WAKE_SIGNAL, 2, WAKE_TIMEOUT);
	ck_assert_uint_ge(sched_stats.parks[PARK_OTHER], 2);
}
END_TEST

/* The result of an event stands in the registers already. */
static long op_event(struct task *t)
{
	note((int)t->tries);
	if (t->co.woke)
		return t->co.woke;
	t->co.regs.ax = 50;
	t->co.event_ends = true;
	return BLOCKED;
}

static void waits_for_event(struct task *t)
{
	(void)t;
	for (int i = 0; i < 4; i++)
		note((int)call0(op_event));
}

static void makes_events(struct task *t)
{
	(void)t;
	co_wake(&parked->co, WAKE_EVENT);
	yield();
	co_wake(&parked->co, WAKE_EVENT);
	co_wake(&parked->co, WAKE_SIGNAL);
	yield();
	co_wake(&parked->co, WAKE_TIMEOUT);
	yield();
	co_wake(&parked->co, WAKE_EVENT);
	yield();
}

START_TEST(event_ends)
{
	parked = task_new(waits_for_event, 1);
	task_new(makes_events, 2);
	tasks_run();
	CHECK_LOG(0, 50, 0, 1, WAKE_EVENT | WAKE_SIGNAL, 0, 1, WAKE_TIMEOUT, 0, 50);
}
END_TEST

/* What a call's end is looked at for: where there is none of it, it goes on at once. */
static void is_looked_at(struct task *t)
{
	struct carrier *ca = this_carrier();
	struct coroutine *co = &t->co;
	int n = 0;

	yield();
	co->called = false;
	ck_assert(carrier_goes_on(co));
	ck_assert(co->called);
	co->notice = true;
	ck_assert(!carrier_goes_on(co));
	co->notice = false;
	co->hog = true;
	ck_assert(!carrier_goes_on(co));
	co->hog = false;
	co->priority = 1;
	ck_assert(!carrier_goes_on(co));
	co->priority = 0;
	ca->ticked = 1;
	ck_assert(!carrier_goes_on(co));
	ca->ticked = 0;
	ca->short_over = true;
	ck_assert(!carrier_goes_on(co));
	ca->short_over = false;
	sched_seed(1);
	ck_assert(!carrier_goes_on(co));
	order_state = 0;
	ca->ticks = 0;
	while (carrier_goes_on(co))
		n++;
	ck_assert_int_eq(n, TURN_CALLS - 1);
	ca->ticks = 0;
	ck_assert(carrier_goes_on(co));
}

START_TEST(goes_on)
{
	task_new(is_looked_at, 1);
	tasks_run();
}
END_TEST

/* Waits for everything at once. */
static long op_anything(struct task *t)
{
	if (t->co.woke)
		return t->co.woke;
	wait_queue(&t->co, 64, 1);
	if (wait_until(&t->co, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + 3600 * 1000 * MS) ||
	    wait_fd(&t->co, (int)t->arg[0], WAIT_READ) ||
	    wait_fd(&t->co, (int)t->arg[1], WAIT_READ))
		return -ENOMEM;
	return BLOCKED;
}

static int two_pipes[4];

static void check_no_wait(const struct task *t)
{
	ck_assert_uint_eq(t->co.queue_key, 0);
	ck_assert_uint_eq(t->co.timer_pos, 0);
	ck_assert_int_eq(t->co.fd.fd, -1);
	ck_assert_ptr_null(t->co.fd.next);
	ck_assert_ptr_null(waitq_first(64));
}

static void ends_waits(struct task *t)
{
	(void)t;
	yield();
	ck_assert_uint_eq(waitq_wake(64, 1, 1), 1);
	check_no_wait(parked);
	yield();
	ck_assert_int_eq(write(two_pipes[3], "", 1), 1);
	sleep_ns(20 * MS);
	ck_assert_uint_ne(parked->co.queue_key, 0);
	mem_pages_free(parked->stack, TASK_STACK);
	co_free(&parked->co);
	ck_assert_ptr_null(waitq_first(64));
	ck_assert_int_eq(sleep_ns(MS), WAKE_TIMEOUT);
	ck_assert_uint_eq(co_alive(), 1);
}

static long op_drain(struct task *t)
{
	char c;

	return read((int)t->arg[0], &c, 1);
}

static void waits_and_drains(struct task *t)
{
	ck_assert_int_eq(call2(op_anything, two_pipes[0], two_pipes[2]), WAKE_EVENT);
	check_no_wait(t);
	ck_assert_int_eq(call2(op_anything, two_pipes[0], two_pipes[2]), WAKE_EVENT);
	check_no_wait(t);
	ck_assert_int_eq(call1(op_drain, two_pipes[2]), 1);
	call2(op_anything, two_pipes[0], two_pipes[2]);
	ck_abort_msg("was freed in it");
}

START_TEST(all_waits_end_together)
{
	ck_assert_int_eq(pipe(two_pipes) | pipe(two_pipes + 2), 0);
	parked = task_new(waits_and_drains, 1);
	task_new(ends_waits, 2);
	tasks_run();
}
END_TEST

/* Results that are not accepted: the operation is tried again, at once. */
static long op_count(struct task *t)
{
	return t->tries;
}

static void is_refused(struct task *t)
{
	t->refused = 3;
	ck_assert_int_eq(call0(op_count), 3);
	ck_assert_int_eq(call0(op_count), 0);
}

START_TEST(refused)
{
	task_new(is_refused, 0);
	tasks_run();
}
END_TEST

static long op_arguments(struct task *t)
{
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(t->arg[i], 0x123456789ab0 + i);
	return -4095;
}

static void gives_arguments(struct task *t)
{
	long a = 0x123456789ab0;

	(void)t;
	ck_assert_int_eq(co_syscall((long)op_arguments, a, a + 1, a + 2, a + 3, a + 4, a + 5),
			 -4095);
}

START_TEST(arguments)
{
	task_new(gives_arguments, 0);
	tasks_run();
}
END_TEST

static long op_stack_argument(struct task *t)
{
	ck_assert_int_eq(t->arg[5], 77);
	return op_yield(t);
}

static void keeps_registers(struct task *t)
{
	for (int i = 0; i < 200; i++) {
		long (*op)(struct task *) = i % 3 ? op_stack_argument : op_nothing;

		ck_assert_int_eq(registers_kept(op, (uint64_t)t->id << 40 | (unsigned)i), 0);
	}
}

START_TEST(registers)
{
	for (int i = 1; i < 5; i++)
		task_new(keeps_registers, i);
	tasks_run();
}
END_TEST

/* A place where the direction flag was set, and a front-door call long after it. */
static void keeps_direction(struct task *t)
{
	t->co.regs.flags |= 0x400;
	ck_assert_int_eq(registers_kept(op_yield, 5), 0);
	ck_assert_int_eq(registers_kept(op_nothing, 5), 0);
}

START_TEST(direction_flag)
{
	task_new(keeps_direction, 0);
	tasks_run();
}
END_TEST

static void keeps_control_words(struct task *t)
{
	uint32_t mxcsr = 0x1f80 | (uint32_t)(t->id % 4) << 13, seen;
	uint16_t fcw = (uint16_t)(0x37f ^ (t->id % 4) << 10), fcw_seen;

	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(seen), "=m"(fcw_seen));
	ck_assert_uint_eq(seen & 0xffc0, 0x1f80);
	ck_assert_uint_eq(fcw_seen, 0x37f);
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
	for (int i = 0; i < 200; i++) {
		call0(i % 3 ? op_yield : op_nothing);
		__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(seen), "=m"(fcw_seen));
		ck_assert_uint_eq(seen & 0xffc0, mxcsr);
		ck_assert_uint_eq(fcw_seen, fcw);
	}
}

START_TEST(control_words)
{
	for (int i = 0; i < 8; i++)
		task_new(keeps_control_words, i);
	tasks_run();
}
END_TEST

/* What a task has unmasked must not trap in the loop, which computes with doubles. */
static void traps(struct task *t)
{
	uint32_t mxcsr = 0x0000;
	uint16_t fcw = 0x340;

	(void)t;
	for (int i = 0; i < 5; i++) {
		__asm__ volatile("fnclex; ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
		call2(op_until, CLOCK_MONOTONIC, 1);
	}
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	ck_assert_uint_eq(mxcsr & 0xffc0, 0);
}

START_TEST(unmasked_exceptions)
{
	task_new(traps, 0);
	tasks_run();
}
END_TEST

struct state {
	uint64_t ymm[64];
	long double x87;
};

static bool wide;

/* Through the back door with every vector register known, `rounds` times. */
static void go_through(long (*op)(struct task *), int id, int rounds)
{
	struct state state = {.x87 = id + 0.25L};

	for (int i = 0; i < 64; i++)
		state.ymm[i] = (uint64_t)id << 32 | (unsigned)i;
	for (int round = 0; round < rounds; round++) {
		(wide ? avx_kept : vectors_kept)(op, &state);
		for (int i = 0; i < 64; i++)
			ck_assert_msg(state.ymm[i] == ((uint64_t)id << 32 | (unsigned)i),
				      "task %d, round %d, word %d: %lx", id, round, i,
				      (unsigned long)state.ymm[i]);
		ck_assert(state.x87 == id + 0.25L);
	}
}

static NO_VECTOR long quiet_yield(struct task *t)
{
	if (t->tries)
		return 0;
	co_run_last(&t->co);
	return BLOCKED;
}

static NO_VECTOR long quiet_yield_twice(struct task *t)
{
	if (t->tries > 1)
		return 0;
	co_run_last(&t->co);
	return BLOCKED;
}

static NO_VECTOR long quiet_nothing(struct task *t)
{
	return t->tries;
}

static NO_VECTOR long quiet_sleep(struct task *t)
{
	if (t->co.woke || wait_until(&t->co, CLOCK_MONOTONIC, time_now(CLOCK_MONOTONIC) + 100000))
		return 0;
	return BLOCKED;
}

static void keeps_vectors(struct task *t)
{
	go_through(quiet_yield, t->id, 50);
	go_through(quiet_yield_twice, t->id, 50);
	go_through(quiet_nothing, t->id, 500);
	go_through(quiet_sleep, t->id, 10);
	keeps_control_words(t); /* nothing of what was saved comes back */
}

/* By the front door nothing of it is kept; it leaves other values behind. */
static void spoils_vectors(struct task *t)
{
	for (int i = 0; i < 500; i++) {
		__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm7\n"
				 "movaps %%xmm0, %%xmm15; fninit"
				 :
				 :
				 : "xmm0", "xmm7", "xmm15", "st");
		yield();
	}
	(void)t;
}

static void run_vectors(void)
{
	for (int i = 1; i < 4; i++)
		task_new(keeps_vectors, i);
	task_new(spoils_vectors, 0);
	tasks_run();
}

START_TEST(vectors)
{
	run_vectors();
}
END_TEST

START_TEST(wide_vectors)
{
	if (!__builtin_cpu_supports("avx"))
		return;
	wide = true;
	run_vectors();
}
END_TEST

static unsigned attended, before_runs;

static NO_VECTOR void hook_attend(void)
{
	this_carrier()->attention = 0;
	attended++;
}

static NO_VECTOR void hook_before_run(struct coroutine *co)
{
	co->notice = false;
	co->regs.ax++;
	before_runs++;
}

static NO_VECTOR void attend_and_wake(void)
{
	hook_attend();
	if (parked)
		co_wake(&parked->co, WAKE_EVENT);
}

static NO_VECTOR long quiet_attention(struct task *t)
{
	this_carrier()->attention = 1;
	return t->tries;
}

static bool stop;

static void is_woken_and_spoils(struct task *t)
{
	uint32_t mxcsr = 0x7f80;

	(void)t;
	while (!stop) {
		call0(op_park);
		__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm7\n"
				 "ldmxcsr %0; fninit"
				 :
				 : "m"(mxcsr)
				 : "xmm0", "xmm7", "st");
	}
}

/* Somebody else is woken just as a task goes back to its text, and runs first or not. */
static void keeps_attended_vectors(struct task *t)
{
	uint32_t mxcsr = 0x1f80 | 1 << 13, seen = 0;

	yield();
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	go_through(quiet_attention, t->id, 20);
	for (int i = 0; i < 20; i++) {
		call0(quiet_attention);
		__asm__ volatile("stmxcsr %0" : "=m"(seen));
		ck_assert_uint_eq(seen & 0xffc0, mxcsr);
	}
	stop = true;
	co_wake(&parked->co, WAKE_EVENT);
}

START_TEST(attended_vectors)
{
	sched_hooks.attend = attend_and_wake;
	parked = task_new(is_woken_and_spoils, 1);
	task_new(keeps_attended_vectors, 2);
	tasks_run();
	ck_assert_uint_ge(attended, 40);
}
END_TEST

static long op_attention(struct task *t)
{
	this_carrier()->attention = 1;
	return t->arg[0];
}

static long op_attention_and_yield(struct task *t)
{
	this_carrier()->attention = 1;
	return op_yield(t) == BLOCKED ? BLOCKED : t->arg[0];
}

static void asks_for_attention(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call1(op_attention, 4711), 4711);
	ck_assert_uint_eq(attended, 1);
	ck_assert_int_eq(registers_kept(op_attention, 99), 0);
	ck_assert_uint_eq(attended, 2);
	ck_assert_int_eq(call1(op_attention_and_yield, 4712), 4712);
	ck_assert_uint_ge(attended, 3);
	attended = 0;
	this_carrier()->attention = 1; /* as a signal handler would, in program text */
	ck_assert_int_eq(call1(op_nothing, 5), 5);
	ck_assert_uint_eq(attended, 1);
}

START_TEST(attention)
{
	sched_hooks.attend = hook_attend;
	task_new(asks_for_attention, 0);
	tasks_run();
}
END_TEST

static long op_notice(struct task *t)
{
	t->co.notice = true;
	return t->arg[0];
}

static long op_notice_and_yield(struct task *t)
{
	t->co.notice = true;
	return op_yield(t) == BLOCKED ? BLOCKED : t->arg[0];
}

static void asks_for_notice(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call1(op_notice, 10), 11);
	ck_assert_uint_eq(before_runs, 1);
	ck_assert_int_eq(call1(op_notice_and_yield, 20), 21);
	ck_assert_uint_eq(before_runs, 2);
	ck_assert_int_eq(call1(op_nothing, 30), 30);
	ck_assert_uint_eq(before_runs, 2);
}

START_TEST(notice)
{
	sched_hooks.before_run = hook_before_run;
	task_new(asks_for_notice, 0);
	tasks_run();
}
END_TEST

/* Some hundred milliseconds of calls. */
#define MANY 10000000

static volatile bool served;
static unsigned long calls[2];

static void never_blocks(struct task *t)
{
	while (!served && calls[t->id] < MANY) {
		call1(op_nothing, 0);
		calls[t->id]++;
	}
}

static void is_served(struct task *t)
{
	int *p = two_pipes;

	(void)t;
	ck_assert_int_eq(call2(op_fd, p[0], WAIT_READ), WAKE_EVENT);
	served = true;
}

/* A task whose calls never block leaves the others their turn, and the loop a look in time. */
START_TEST(fairness)
{
	ck_assert_int_eq(pipe(two_pipes), 0);
	ck_assert_int_eq(write(two_pipes[1], "", 1), 1);
	task_new(is_served, 2);
	task_new(never_blocks, 0);
	task_new(never_blocks, 1);
	tasks_run();
	ck_assert(served);
	ck_assert_uint_lt(calls[0], MANY);
	ck_assert_uint_lt(calls[1], MANY);
}
END_TEST

static void only_yields(struct task *t)
{
	while (!served && calls[t->id] < MANY) {
		yield();
		calls[t->id]++;
	}
}

START_TEST(fairness_of_switches)
{
	ck_assert_int_eq(pipe(two_pipes), 0);
	ck_assert_int_eq(write(two_pipes[1], "", 1), 1);
	task_new(is_served, 2);
	task_new(only_yields, 0);
	task_new(only_yields, 1);
	tasks_run();
	ck_assert(served);
	ck_assert_uint_lt(calls[0], 1000);
}
END_TEST

static void takes_turns(struct task *t)
{
	for (int i = 0; i < 2000; i++) {
		call1(op_nothing, 0);
		calls[t->id]++;
		ck_assert_int_lt(labs((long)(calls[0] - calls[1])), 500);
	}
	calls[t->id] = calls[!t->id] = 0;
}

START_TEST(fairness_of_calls)
{
	task_new(takes_turns, 0);
	task_new(takes_turns, 1);
	tasks_run();
}
END_TEST

/* Nothing of libc here: its TLS is not at this FS base. */
static void has_fs(struct task *t)
{
	for (int i = 0; i < 200; i++) {
		uint64_t self;

		call0(i % 3 ? op_yield : op_nothing);
		__asm__ volatile("mov %%fs:0, %0" : "=r"(self));
		calls[t->id % 2] += self == t->co.fs;
	}
}

/* Every task its own FS base; the loop has the first one's. */
START_TEST(fs_base)
{
	static uint64_t block[3][64];

	for (int i = 0; i < 3; i++) {
		struct task *t = task_new(has_fs, i);

		block[i][0] = (uint64_t)block[i];
		t->co.fs = (uint64_t)block[i];
	}
	task_new(has_fs, 3);
	tasks_run();
	ck_assert_uint_eq(calls[0], 400);
	ck_assert_uint_eq(calls[1], 400);
}
END_TEST

START_TEST(foreign)
{
	char *p;

	ck_assert_int_eq(raw2(__NR_arch_prctl, 0x1001, &carrier_foreign), 0);
	ck_assert_int_eq(co_syscall(__NR_getpid, 0, 0, 0, 0, 0, 0), getpid());
	ck_assert_int_eq(co_syscall(__NR_close, -1, 0, 0, 0, 0, 0), -EBADF);
	p = (char *)co_syscall(__NR_mmap, 0, 8192, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert(!raw_failed((long)p));
	p[8191] = 1;
	ck_assert_int_eq(co_syscall(__NR_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, 0, 1), -EINVAL);
}
END_TEST

static long op_write(struct task *t)
{
	return raw3(__NR_write, t->arg[0], "", 1);
}

static void child_of_two(struct task *t)
{
	uint64_t begun;

	ck_assert_uint_eq(co_alive(), 1);
	ck_assert_ptr_eq(co_registry()->next, &t->co.all);
	ck_assert_ptr_null(waitq_first(500));
	/* Beyond what the parent's timer was set to. */
	ck_assert_int_eq(sleep_ns(150 * MS), WAKE_TIMEOUT);
	begun = time_now(CLOCK_MONOTONIC);
	ck_assert_int_eq(sleep_ns(2 * MS), WAKE_TIMEOUT);
	ck_assert_uint_ge(time_now(CLOCK_MONOTONIC) - begun, 2 * MS);
	/* Others waited for this one too; the parent's loop must not notice us. */
	ck_assert_int_eq(call3(op_fd, two_pipes[0], WAIT_READ, MS), WAKE_TIMEOUT);
	ck_assert_int_eq(call1(op_write, two_pipes[1]), 1);
	ck_assert_int_eq(call3(op_fd, two_pipes[0], WAIT_READ, 5000 * MS), WAKE_EVENT);
	_exit(7);
}

static void forks(struct task *t)
{
	long pid;
	int status = 0;

	yield();
	ck_assert_int_eq(sleep_ns(MS), WAKE_TIMEOUT); /* the loop has heard of all */
	for (int i = 0; i < 200; i++)
		yield(); /* and its timer is set for the other one */
	pid = call0(op_fork);
	if (!pid)
		child_of_two(t);
	ck_assert_int_eq(waitpid((pid_t)pid, &status, 0), pid);
	ck_assert_int_eq(status, 7 << 8);
	ck_assert_uint_eq(co_alive(), 4);
	ck_assert_uint_eq(waitq_wake(500, 1, 1), 1);
}

static void queues(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call3(op_queue, 500, 1, 0), WAKE_EVENT);
}

static void sleeps_on(struct task *t)
{
	(void)t;
	ck_assert_int_eq(sleep_ns(100 * MS), WAKE_TIMEOUT);
}

START_TEST(fork_child)
{
	ck_assert_int_eq(pipe(two_pipes), 0);
	task_new(queues, 0);
	task_new(sleeps_on, 1);
	task_new(is_served, 2);
	task_new(forks, 3);
	tasks_run();
	ck_assert(served);
}
END_TEST

static void starts_more(struct task *t)
{
	static int made;

	(void)t;
	while (made < 3000) {
		made++;
		task_new(starts_more, made);
		yield();
	}
}

START_TEST(many)
{
	for (int i = 0; i < 3000; i++)
		task_new(starts_more, 0);
	tasks_run();
	ck_assert_uint_eq(sched_stats.made, 6000);
	ck_assert_uint_le(sched_stats.most, 6000);
	ck_assert_uint_ge(sched_stats.most, 3000);
	ck_assert_ptr_null(this_carrier()->vectors.bump); /* no vector state by the front door */
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("carrier", 20, tasks_setup);

	tcase_add_test(tests, order);
	tcase_add_test(tests, next_and_last);
	tcase_add_test(tests, wake);
	tcase_add_test(tests, event_ends);
	tcase_add_test(tests, goes_on);
	tcase_add_test(tests, all_waits_end_together);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, arguments);
	tcase_add_test(tests, registers);
	tcase_add_test(tests, direction_flag);
	tcase_add_test(tests, control_words);
	tcase_add_test(tests, unmasked_exceptions);
	tcase_add_test(tests, vectors);
	tcase_add_test(tests, wide_vectors);
	tcase_add_test(tests, attended_vectors);
	tcase_add_test(tests, attention);
	tcase_add_test(tests, notice);
	tcase_add_test(tests, fairness);
	tcase_add_test(tests, fairness_of_switches);
	tcase_add_test(tests, fairness_of_calls);
	tcase_add_test(tests, fs_base);
	tcase_add_test(tests, foreign);
	tcase_add_test(tests, fork_child);
	tcase_add_test(tests, many);
	return unit_end();
}
