/* SPDX-License-Identifier: MIT */
/* Unit tests: futex on private words, beside what the kernel says to the same. */
/* OBJS: shim/sys_futex.o shim/futex_shared.o shim/tid.o shim/usercopy_x86_64.o SCHEDULER */
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "../shim/memory.h"
#include "../shim/sys.h"
#include "../shim/usercopy.h"
#include "unit.h"

#define ALL     FUTEX_BITSET_MATCH_ANY
#define PRIVATE FUTEX_PRIVATE_FLAG

static uint32_t word[4]; /* the second half for the kernel */
static int helped, native;
static bool is_shared_memory;
static struct thread *me;

bool memory_shared(uint64_t address)
{
	(void)address;
	return is_shared_memory;
}

int process_id = 4711;

long sys_by_helper(struct thread *th, bool bounded)
{
	(void)th;
	ck_assert(!bounded);
	helped++;
	return 4711;
}

long sys_native(struct thread *th)
{
	(void)th;
	native++;
	return 4712;
}

void sched_boost(struct thread *of, int priority)
{
	co_set_priority(&of->co, priority, false);
}

struct thread *thread_by_tid(int tid)
{
	list_for_each (l, co_registry()) {
		struct thread *th = thread_of(container_of(l, struct coroutine, all));

		if (th->tid == tid)
			return th;
	}
	return NULL;
}

uint64_t time_to_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000 + (uint64_t)ts->tv_nsec;
}

void call_timeout(struct thread *th, uint64_t ns)
{
	th->call.timed = true;
	th->call.clock = CLOCK_MONOTONIC;
	th->call.deadline = 1000000 + ns;
}

int call_wait_deadline(struct thread *th)
{
	return th->call.timed ? wait_until(&th->co, th->call.clock, th->call.deadline) : 0;
}

static struct thread *new_thread(void)
{
	static int tid = 1000;
	struct thread *th = thread_of(co_new());

	th->tid = tid++;
	return th;
}

static long futex(struct thread *th, void *at, int op, long val, long val2, void *at2, long val3)
{
	long arg[6] = {(long)at, op, val, val2, (long)at2, val3};
	long result;

	memset(&th->call, 0, sizeof(th->call));
	th->call.nr = __NR_futex;
	memcpy(th->call.arg, arg, sizeof(arg));
	th->co.woke = 0;
	th->co.again = NULL;
	result = sys_futex(th);
	if (result == BLOCKED)
		th->co.again = (long (*)(struct coroutine *))1; /* it stands in a wait */
	return result;
}

static struct thread *waiter(void *at)
{
	struct thread *th = new_thread();

	ck_assert_int_eq(futex(th, at, FUTEX_WAIT | PRIVATE, *(uint32_t *)at, 0, NULL, 0), BLOCKED);
	return th;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

	(void)info;
	if ((const char *)*rip < user_begin || (const char *)*rip >= user_end)
		signal(sig, SIG_DFL);
	else
		*rip = (greg_t)user_fault;
}

static void setup(void)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	ck_assert_int_eq(sched_init(sizeof(struct thread), getauxval(AT_HWCAP2) & 2), 0);
	sigaction(SIGSEGV, &act, NULL);
	me = new_thread();
}

START_TEST(wait_and_wake)
{
	struct thread *a = waiter(&word[0]), *b = waiter(&word[0]), *c = waiter(&word[1]);

	ck_assert_int_eq(futex(me, &word[0], FUTEX_WAIT | PRIVATE, 1, 0, NULL, 0), -EAGAIN);
	ck_assert_int_eq(futex(me, &word[0], FUTEX_WAKE | PRIVATE, 1, 0, NULL, 0), 1);
	ck_assert_uint_eq(a->co.woke, WAKE_EVENT);
	ck_assert_uint_eq(b->co.woke, 0);
	ck_assert_int_eq(sys_futex(a), 0);
	ck_assert_int_eq(futex(me, &word[0], FUTEX_WAKE, INT32_MAX, 0, NULL, 0), 1);
	ck_assert_uint_eq(b->co.woke, WAKE_EVENT);
	ck_assert_int_eq(futex(me, &word[0], FUTEX_WAKE | PRIVATE, 1, 0, NULL, 0), 0);
	ck_assert_uint_eq(c->co.woke, 0);
	/* A wait that goes on after it was out of the queue looks again: a wake may have come. */
	waitq_cancel(&c->co);
	ck_assert_int_eq(sys_futex(c), BLOCKED);
	word[1] = 5;
	waitq_cancel(&c->co);
	ck_assert_int_eq(sys_futex(c), -EAGAIN);
}
END_TEST

/* The way past the notes of a call. */
START_TEST(wakes_at_once)
{
	struct thread *a = waiter(&word[0]), *b = waiter(&word[0]), *c = waiter(&word[0]);
	uint64_t at = (uint64_t)&word[0];

	ck_assert_int_eq(futex_wake(at + 1, 1), -EINVAL);
	ck_assert_int_eq(futex_wake(at, 0), 1);
	ck_assert_uint_eq(a->co.woke, WAKE_EVENT);
	ck_assert_uint_eq(b->co.woke, 0);
	/* Nobody has to ask what became of it. */
	ck_assert(a->co.event_ends);
	ck_assert_uint_eq(a->co.regs.ax, 0);
	ck_assert_int_eq(futex_wake(at, INT32_MAX), 2);
	ck_assert_uint_eq(c->co.woke, WAKE_EVENT);
	ck_assert_int_eq(futex_wake(at, 1), 0);
}
END_TEST

START_TEST(endings)
{
	struct thread *th = waiter(&word[0]);

	co_wake(&th->co, WAKE_SIGNAL);
	ck_assert_int_eq(sys_futex(th), -ERESTARTSYS);
	th->call.timed = true;
	ck_assert_int_eq(sys_futex(th), -ERESTARTNOHAND);
	th->co.woke = WAKE_TIMEOUT;
	ck_assert_int_eq(sys_futex(th), -ETIMEDOUT);
	/* Woken counts, whatever else has come: the waker believes that it has woken somebody. */
	th->co.woke = WAKE_EVENT | WAKE_TIMEOUT | WAKE_SIGNAL;
	ck_assert_int_eq(sys_futex(th), 0);
}
END_TEST

START_TEST(bitset)
{
	struct thread *a = new_thread(), *b = new_thread();

	ck_assert_int_eq(futex(a, word, FUTEX_WAIT_BITSET | PRIVATE, 0, 0, NULL, 1), BLOCKED);
	ck_assert_int_eq(futex(b, word, FUTEX_WAIT_BITSET | PRIVATE, 0, 0, NULL, 6), BLOCKED);
	ck_assert_int_eq(futex(me, word, FUTEX_WAKE_BITSET | PRIVATE, 9, 0, NULL, 8), 0);
	ck_assert_int_eq(futex(me, word, FUTEX_WAKE_BITSET | PRIVATE, 9, 0, NULL, 4), 1);
	ck_assert_uint_eq(b->co.woke, WAKE_EVENT);
	ck_assert_int_eq(futex(me, word, FUTEX_WAKE | PRIVATE, 9, 0, NULL, 0), 1);
	ck_assert_int_eq(futex(me, word, FUTEX_WAKE_BITSET | PRIVATE, 9, 0, NULL, 0), -EINVAL);
	ck_assert_int_eq(futex(me, word, FUTEX_WAIT_BITSET | PRIVATE, 0, 0, NULL, 0), -EINVAL);
}
END_TEST

START_TEST(timeouts)
{
	struct timespec ts = {2, 5}, bad = {0, 1000000000}, negative = {-1, 0};
	struct thread *th = new_thread();
	int op = FUTEX_WAIT | PRIVATE;

	ck_assert_int_eq(futex(th, word, op, 0, (long)&bad, NULL, 0), -EINVAL);
	ck_assert_int_eq(futex(th, word, op, 0, (long)&negative, NULL, 0), -EINVAL);
	ck_assert_int_eq(futex(th, word, op, 0, 8, NULL, 0), -EFAULT);
	ck_assert_int_eq(futex(th, word, op, 0, (long)&ts, NULL, 0), BLOCKED);
	ck_assert_uint_eq(th->call.deadline, 2001000005);
	co_wake(&th->co, WAKE_EVENT);
	op = FUTEX_WAIT_BITSET | PRIVATE;
	ck_assert_int_eq(futex(th, word, op, 0, (long)&ts, NULL, ALL), BLOCKED);
	ck_assert_uint_eq(th->call.deadline, 2000000005);
	ck_assert_int_eq(th->call.clock, CLOCK_MONOTONIC);
	co_wake(&th->co, WAKE_EVENT);
	op |= FUTEX_CLOCK_REALTIME;
	ck_assert_int_eq(futex(th, word, op, 0, (long)&ts, NULL, ALL), BLOCKED);
	ck_assert_int_eq(th->call.clock, CLOCK_REALTIME);
	co_wake(&th->co, WAKE_EVENT);
	ck_assert_uint_eq(th->co.timer_pos, 0);
}
END_TEST

/* The same bad calls, here and in the kernel. */
START_TEST(errors)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec bad = {0, -1};
	char *odd = (char *)word + 1;
	const struct {
		void *at;
		int op;
		long val, val2;
		void *at2;
		long val3;
	} calls[] = {
		{odd, FUTEX_WAIT, 0, 0, NULL, 0},
		{odd, FUTEX_WAKE, 1, 0, NULL, 0},
		{page, FUTEX_WAIT, 0, 0, NULL, 0},
		{NULL, FUTEX_WAIT, 0, 0, NULL, 0},
		{word, FUTEX_WAIT, 5, 0, NULL, 0},
		{word, FUTEX_WAIT, 0, (long)&bad, NULL, 0},
		{word, FUTEX_WAIT_BITSET, 0, 0, NULL, 0},
		{word, FUTEX_WAKE_BITSET, 1, 0, NULL, 0},
		{word, FUTEX_WAKE, 1, 0, NULL, 0},
		{word, FUTEX_REQUEUE, 1, 1, &word[1], 0},
		{word, FUTEX_REQUEUE, -1, 1, &word[1], 0},
		{word, FUTEX_REQUEUE, 1, -1, &word[1], 0},
		{word, FUTEX_REQUEUE, 1, 1, odd, 0},
		{odd, FUTEX_REQUEUE, 1, 1, word, 0},
		{word, FUTEX_CMP_REQUEUE, 1, 1, &word[1], 3},
		{word, FUTEX_CMP_REQUEUE, 1, 1, &word[1], 0},
		{page, FUTEX_CMP_REQUEUE, 1, 1, &word[1], 0},
		{word, FUTEX_WAKE_OP, 1, 1, page, 0},
		{word, FUTEX_WAKE_OP, 1, 1, odd, 0},
		{odd, FUTEX_WAKE_OP, 1, 1, word, 0},
		{word, FUTEX_WAKE_OP, 1, 1, &word[1], FUTEX_OP(5, 0, 0, 0)},
		{word, FUTEX_WAKE_OP, 1, 1, &word[1], FUTEX_OP(FUTEX_OP_ADD, 0, 6, 0)},
		{odd, FUTEX_LOCK_PI, 0, 0, NULL, 0},
		{page, FUTEX_LOCK_PI, 0, 0, NULL, 0},
		{word, FUTEX_UNLOCK_PI, 0, 0, NULL, 0},
		{word, 99, 0, 0, NULL, 0},
		{word, 2 /* FUTEX_FD */, 0, 0, NULL, 0},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		long theirs = raw6(__NR_futex, (long)calls[i].at, calls[i].op | PRIVATE,
				   calls[i].val, calls[i].val2, (long)calls[i].at2, calls[i].val3);
		long ours = futex(me, calls[i].at, calls[i].op | PRIVATE, calls[i].val,
				  calls[i].val2, calls[i].at2, calls[i].val3);

		ck_assert_msg(ours == theirs, "call %zu: %ld, the kernel: %ld", i, ours, theirs);
	}
}
END_TEST

START_TEST(requeue)
{
	struct thread *th[5];

	for (int i = 0; i < 5; i++)
		th[i] = waiter(&word[0]);
	ck_assert_int_eq(futex(me, &word[0], FUTEX_CMP_REQUEUE | PRIVATE, 1, 2, &word[1], 0), 3);
	ck_assert_uint_eq(th[0]->co.woke, WAKE_EVENT);
	ck_assert_uint_eq(th[1]->co.woke | th[2]->co.woke | th[3]->co.woke, 0);
	ck_assert_int_eq(futex(me, &word[1], FUTEX_WAKE | PRIVATE, 9, 0, NULL, 0), 2);
	ck_assert_uint_eq(th[1]->co.woke & th[2]->co.woke, WAKE_EVENT);
	ck_assert_int_eq(futex(me, &word[0], FUTEX_REQUEUE | PRIVATE, 0, INT32_MAX, &word[1], 9),
			 2);
	ck_assert_int_eq(futex(me, &word[0], FUTEX_WAKE | PRIVATE, 9, 0, NULL, 0), 0);
	ck_assert_int_eq(futex(me, &word[1], FUTEX_WAKE | PRIVATE, 9, 0, NULL, 0), 2);
}
END_TEST

static bool holds(uint32_t cmp, uint32_t old, int arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return (int)old == arg;
	case FUTEX_OP_CMP_NE:
		return (int)old != arg;
	case FUTEX_OP_CMP_LT:
		return (int)old < arg;
	case FUTEX_OP_CMP_LE:
		return (int)old <= arg;
	case FUTEX_OP_CMP_GT:
		return (int)old > arg;
	default:
		return (int)old >= arg;
	}
}

static uint32_t interesting(void)
{
	static const uint32_t values[] = {0,     1,          2,          0x7ff, 0x800,
					  0xfff, 0x7fffffff, 0x80000000, ~0U};

	return unit_random() % 3 ? values[unit_random() % 9] : (uint32_t)unit_random();
}

/* What becomes of the word is the kernel's answer; whom it wakes is the manual page's. */
START_TEST(wake_op)
{
	for (int step = 0; step < 5000; step++) {
		uint32_t op = (uint32_t)(unit_random() % 5), cmp = (uint32_t)(unit_random() % 6);
		uint32_t arg = interesting() & 0xfff, cmparg = interesting() & 0xfff;
		uint32_t shift = unit_random() % 4 ? 0 : FUTEX_OP_OPARG_SHIFT;
		uint32_t code, old = interesting();
		struct thread *a, *b;
		bool both;
		long woken;

		if (shift)
			arg &= 31;
		if (unit_random() % 4 == 0)
			old = cmparg;
		code = (op | shift) << 28 | cmp << 24 | arg << 12 | cmparg;
		both = holds(cmp, old, (int)(cmparg ^ 0x800) - 0x800);
		word[0] = 0;
		word[1] = word[3] = old;
		a = waiter(&word[0]);
		b = waiter(&word[1]);
		raw6(__NR_futex, (long)&word[2], FUTEX_WAKE_OP | PRIVATE, 1, 1, (long)&word[3],
		     (long)code);
		woken = futex(me, &word[0], FUTEX_WAKE_OP | PRIVATE, 1, 1, &word[1], (long)code);
		ck_assert_msg(word[1] == word[3], "code %#x: %#x became %#x, in the kernel %#x",
			      code, old, word[1], word[3]);
		ck_assert_msg(woken == 1 + both, "code %#x, %#x: woke %ld", code, old, woken);
		ck_assert_uint_eq(a->co.woke, WAKE_EVENT);
		ck_assert_uint_eq(b->co.woke, both ? WAKE_EVENT : 0);
		co_free(&a->co);
		co_free(&b->co);
	}
}
END_TEST

/* Priority inheritance, without priorities: the lock is handed over. */
START_TEST(pi)
{
	struct thread *a = new_thread(), *b = new_thread(), *c = new_thread();
	int lock = FUTEX_LOCK_PI | PRIVATE, unlock = FUTEX_UNLOCK_PI | PRIVATE;

	ck_assert_int_eq(futex(a, word, lock, 0, 0, NULL, 0), 0);
	ck_assert_uint_eq(word[0], (uint32_t)a->tid);
	ck_assert_int_eq(futex(a, word, lock, 0, 0, NULL, 0), -EDEADLK);
	ck_assert_int_eq(futex(b, word, FUTEX_TRYLOCK_PI | PRIVATE, 0, 0, NULL, 0), -EAGAIN);
	ck_assert_int_eq(futex(b, word, unlock, 0, 0, NULL, 0), -EPERM);
	ck_assert_int_eq(futex(b, word, lock, 0, 0, NULL, 0), BLOCKED);
	ck_assert_uint_eq(word[0], (uint32_t)a->tid | FUTEX_WAITERS);
	ck_assert_int_eq(futex(c, word, 13 | PRIVATE, 0, 0, NULL, 0), BLOCKED);
	ck_assert_int_eq(futex(a, word, unlock, 0, 0, NULL, 0), 0);
	ck_assert_uint_eq(word[0], (uint32_t)b->tid | FUTEX_WAITERS);
	ck_assert_uint_eq(b->co.woke, WAKE_EVENT);
	ck_assert_int_eq(sys_futex(b), 0);
	ck_assert_int_eq(futex(b, word, unlock, 0, 0, NULL, 0), 0);
	ck_assert_uint_eq(word[0], (uint32_t)c->tid);
	ck_assert_int_eq(sys_futex(c), 0);
	ck_assert_int_eq(futex(c, word, unlock, 0, 0, NULL, 0), 0);
	ck_assert_uint_eq(word[0], 0);
	/* Its owner has died. */
	word[0] = 77 | FUTEX_OWNER_DIED;
	ck_assert_int_eq(futex(a, word, lock, 0, 0, NULL, 0), -ESRCH);
	word[0] = FUTEX_OWNER_DIED;
	ck_assert_int_eq(futex(a, word, lock, 0, 0, NULL, 0), 0);
	ck_assert_uint_eq(word[0], FUTEX_OWNER_DIED | (uint32_t)a->tid);
}
END_TEST

/* Words that other processes can see are left to the kernel, unless called private. */
START_TEST(shared)
{
	is_shared_memory = true;
	ck_assert_int_eq(futex(me, word, FUTEX_WAIT, 0, 0, NULL, 0), 4711);
	ck_assert_int_eq(futex(me, word, FUTEX_WAIT_BITSET, 0, 0, NULL, 1), 4711);
	ck_assert_int_eq(helped, 2);
	ck_assert_int_eq(futex(me, word, FUTEX_WAKE, 1, 0, NULL, 0), 4712);
	ck_assert_int_eq(futex(me, word, FUTEX_CMP_REQUEUE, 1, 1, &word[1], 0), 4712);
	ck_assert_int_eq(native, 2);
	ck_assert_int_eq(futex(me, word, FUTEX_WAKE | PRIVATE, 1, 0, NULL, 0), 0);
	waiter(&word[0]);
	is_shared_memory = false;
	futex_wake_address((uint64_t)&word[0], 1);
	ck_assert_ptr_null(waitq_first((uint64_t)&word[0]));
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("sys_futex", 20, setup);

	tcase_add_test(tests, wait_and_wake);
	tcase_add_test(tests, wakes_at_once);
	tcase_add_test(tests, endings);
	tcase_add_test(tests, bitset);
	tcase_add_test(tests, timeouts);
	tcase_add_test(tests, errors);
	tcase_add_test(tests, requeue);
	tcase_add_test(tests, wake_op);
	tcase_add_test(tests, pi);
	tcase_add_test(tests, shared);
	return unit_end();
}
