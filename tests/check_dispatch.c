/* SPDX-License-Identifier: MIT */
/* Unit tests: the table of system calls, and how one gets to its handler and back. */
/* OBJS: shim/dispatch.o SCHEDULER */
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "../shim/report.h"
#include "../shim/signals.h"
#include "../shim/sys.h"
#include "unit.h"

struct report report;
struct kernel_sigaction signal_action[65];

static const char *came; /* the handler that was called last */
static long answer;
static struct thread *th;
static int next_signal, attended, closed[2], closes;
static uint64_t mask_set;

/* Handlers that only say who they are. */
#define SYS(name)                         \
	long sys_##name(struct thread *t) \
	{                                 \
		ck_assert_ptr_eq(t, th);  \
		came = #name;             \
		return answer;            \
	}
#define RESTART(name) SYS(name)
#define SYS_AS(name, handler)
#define RESTART_AS(name, handler)
#include "../shim/sys_list.h"
SYS(own_change)
SYS(changes_mapping)
SYS(helper)
SYS(helper_bounded)
SYS(by_disk)
#undef SYS
#undef RESTART
#undef SYS_AS
#undef RESTART_AS

static const struct {
	long nr;
	const char *name, *handler;
	bool restart;
} list[] = {
#define SYS(name)                 SYS_AS(name, name)
#define RESTART(name)             RESTART_AS(name, name)
#define SYS_AS(name, handler)     {__NR_##name, #name, #handler, false},
#define RESTART_AS(name, handler) {__NR_##name, #name, #handler, true},
#include "../shim/sys_list.h"
#undef SYS
#undef RESTART
#undef SYS_AS
#undef RESTART_AS
};

#define LISTED (sizeof(list) / sizeof(list[0]))

void report_held(long nr, uint64_t begun)
{
	(void)nr;
	(void)begun;
}

int signal_next(const struct thread *t)
{
	(void)t;
	return next_signal;
}

void signal_set_mask(struct thread *t, uint64_t mask)
{
	(void)t;
	mask_set = mask;
}

void sigreal_attend(void)
{
	this_carrier()->attention = 0;
	attended++;
}

void sigreal_hold(uint64_t set)
{
	(void)set;
}

void fd_close_own(int fd)
{
	ck_assert_int_lt(closes, 2);
	closed[closes++] = fd;
}

long futex_wake(uint64_t at, int n)
{
	ck_assert_uint_eq(at, 4);
	ck_assert_int_eq(n, 3);
	return answer;
}

static void setup(void)
{
	ck_assert_int_eq(sched_init(sizeof(struct thread), getauxval(AT_HWCAP2) & 2), 0);
	th = thread_of(co_new());
	this_carrier()->current = &th->co;
}

static long enter_back(long nr, long a, long b, long c, long d, long e, long f)
{
	th->co.regs.ax = (uint64_t)nr;
	th->co.regs.di = (uint64_t)a;
	th->co.regs.si = (uint64_t)b;
	th->co.regs.dx = (uint64_t)c;
	th->co.regs.r10 = (uint64_t)d;
	th->co.regs.r8 = (uint64_t)e;
	th->co.regs.r9 = (uint64_t)f;
	return sys_enter_back(&th->co);
}

static long enter_front(long nr, long a, long b, long c, long d, long e, long f)
{
	static long stack[2];

	stack[0] = f;
	th->co.regs.di = (uint64_t)nr;
	th->co.regs.si = (uint64_t)a;
	th->co.regs.dx = (uint64_t)b;
	th->co.regs.cx = (uint64_t)c;
	th->co.regs.r8 = (uint64_t)d;
	th->co.regs.r9 = (uint64_t)e;
	th->co.regs.sp = (uint64_t)stack;
	return sys_enter_front(&th->co);
}

START_TEST(wakes)
{
	answer = 17;
	th->co.regs.di = 4;
	th->co.regs.dx = 3;
	sys_wakes_side(&th->co);
	ck_assert_uint_eq(th->co.regs.ax, 17);
	ck_assert_uint_eq(report.side, 1);
}
END_TEST

START_TEST(complete)
{
	bool listed[SYS_COUNT] = {false};

	for (size_t i = 0; i < LISTED; i++) {
		ck_assert_int_lt(list[i].nr, SYS_COUNT);
		ck_assert_msg(!listed[list[i].nr], "%s is there twice", list[i].name);
		listed[list[i].nr] = true;
		ck_assert_msg(sys_table[list[i].nr].fn, "%s", list[i].name);
		ck_assert_int_eq(sys_table[list[i].nr].restart, list[i].restart);
		answer = 1000 + (long)i;
		ck_assert_int_eq(enter_back(list[i].nr, 0, 0, 0, 0, 0, 0), answer);
		ck_assert_str_eq(came, list[i].handler);
		came = "none";
		ck_assert_int_eq(enter_front(list[i].nr, 0, 0, 0, 0, 0, 0), answer);
		ck_assert_str_eq(came, list[i].handler);
	}
	for (int nr = 0; nr < SYS_COUNT; nr++)
		ck_assert(listed[nr] || !sys_table[nr].fn);
	ck_assert_uint_eq(report.front, LISTED);
	ck_assert_uint_eq(report.back, LISTED);
}
END_TEST

/* signal(7), "Interruption of system calls and library functions by signal handlers". */
START_TEST(restarted)
{
	static const int always[] = {
		__NR_read,           __NR_readv,    __NR_write,   __NR_writev,   __NR_open,
		__NR_openat,         __NR_wait4,    __NR_waitid,  __NR_accept,   __NR_accept4,
		__NR_connect,        __NR_recvfrom, __NR_recvmsg, __NR_recvmmsg, __NR_sendto,
		__NR_sendmsg,        __NR_flock,    __NR_fcntl,   __NR_futex,    __NR_mq_timedsend,
		__NR_mq_timedreceive};
	static const int never[] = {
		__NR_pause,       __NR_rt_sigsuspend, __NR_rt_sigtimedwait, __NR_epoll_wait,
		__NR_epoll_pwait, __NR_poll,          __NR_ppoll,           __NR_select,
		__NR_pselect6,    __NR_msgrcv,        __NR_msgsnd,          __NR_semop,
		__NR_semtimedop,  __NR_nanosleep,     __NR_clock_nanosleep, __NR_io_getevents};

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		ck_assert_msg(sys_table[always[i]].restart, "number %d", always[i]);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		ck_assert_msg(!sys_table[never[i]].restart, "number %d", never[i]);
}
END_TEST

static void check_arguments(void)
{
	for (int i = 0; i < 6; i++)
		ck_assert_int_eq(th->call.arg[i], 0x100000000 + i);
	ck_assert_int_eq(th->call.nr, __NR_read);
	ck_assert_int_eq(th->call.held, -1);
	ck_assert(!th->call.done && !th->call.timed && !th->call.begun && !th->call.job);
}

START_TEST(arguments)
{
	long a = 0x100000000;

	memset(&th->call, 0xff, sizeof(th->call));
	enter_back(__NR_read, a, a + 1, a + 2, a + 3, a + 4, a + 5);
	check_arguments();
	ck_assert(!th->call.front);
	memset(&th->call, 0xff, sizeof(th->call));
	enter_front(__NR_read, a, a + 1, a + 2, a + 3, a + 4, a + 5);
	check_arguments();
	ck_assert(th->call.front);
	came = "none";
	answer = 3;
	ck_assert_int_eq(sys_again(&th->co), 3);
	ck_assert_str_eq(came, "read");
	check_arguments();
}
END_TEST

/* What has no meaning of ours is the kernel's; a number out of any range too. */
START_TEST(native)
{
	ck_assert_ptr_null(sys_table[__NR_getppid].fn);
	came = "none";
	ck_assert_int_eq(enter_back(__NR_getppid, 0, 0, 0, 0, 0, 0), getppid());
	ck_assert_int_eq(enter_back(__NR_getpgid, -5, 0, 0, 0, 0, 0), -ESRCH);
	ck_assert_int_eq(enter_back(SYS_COUNT, 0, 0, 0, 0, 0, 0), -ENOSYS);
	ck_assert_int_eq(enter_back(100000, 0, 0, 0, 0, 0, 0), -ENOSYS);
	ck_assert_int_eq(enter_back(-1, 0, 0, 0, 0, 0, 0), -ENOSYS);
	ck_assert_str_eq(came, "none");
	/* It is not begun when something was noted before. */
	this_carrier()->attention = 1;
	ck_assert_int_eq(enter_back(__NR_getppid, 0, 0, 0, 0, 0, 0), -ERESTARTNOINTR);
	th->call.nr = __NR_read;
	ck_assert_int_eq(sys_native(th), -ERESTARTNOINTR);
}
END_TEST

/* The kernel looks at 32 bits of the number. */
START_TEST(upper_half)
{
	answer = 3;
	ck_assert_int_eq(syscall(__NR_getppid | 5L << 32), getppid());
	ck_assert_int_eq(enter_back(__NR_read | 5L << 32, -1, 0, 0, 0, 0, 0), 3);
	ck_assert_str_eq(came, "read");
}
END_TEST

/* The result of a call by either door, after a signal with and without SA_RESTART. */
static void finish(long result, bool restart, bool front, bool made_again)
{
	struct co_regs *r = &th->co.regs;
	uint64_t sp;

	signal_action[10].flags = restart ? SA_RESTART : 0;
	next_signal = 10;
	answer = result;
	if (front)
		enter_front(__NR_read, 1, 2, 3, 4, 5, 6);
	else
		enter_back(__NR_read, 1, 2, 3, 4, 5, 6);
	sp = r->sp;
	r->ip = 0x1000;
	ck_assert(sys_finish(&th->co, result));
	if (!made_again) {
		ck_assert_int_eq((long)r->ax, -EINTR);
		ck_assert_uint_eq(r->ip, 0x1000);
		ck_assert_uint_eq(r->sp, sp);
	} else if (front) {
		ck_assert_uint_eq(r->ip, (uint64_t)co_syscall);
		ck_assert_uint_eq(r->sp, sp - 8);
		ck_assert_uint_eq(r->di, __NR_read);
	} else {
		ck_assert_uint_eq(r->ip, 0x1000 - 2);
		ck_assert_uint_eq(r->sp, sp);
		ck_assert_uint_eq(r->ax, __NR_read);
	}
}

START_TEST(interrupted)
{
	for (int front = 0; front < 2; front++) {
		finish(-ERESTARTSYS, true, front, true);
		finish(-ERESTARTSYS, false, front, false);
		finish(-ERESTARTNOINTR, true, front, true);
		finish(-ERESTARTNOINTR, false, front, true);
		finish(-ERESTARTNOHAND, true, front, false);
		finish(-ERESTARTNOHAND, false, front, false);
	}
}
END_TEST

START_TEST(not_interrupted)
{
	static const long results[] = {0, 5, -EINTR, -EPERM, -4095, -511, -515, 0x7fff00000000};

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		next_signal = 10;
		enter_back(__NR_read, 0, 0, 0, 0, 0, 0);
		ck_assert(sys_finish(&th->co, results[i]));
		ck_assert_int_eq((long)th->co.regs.ax, results[i]);
	}
	th->co.regs.ax = 99;
	ck_assert(sys_finish(&th->co, NO_RESULT));
	ck_assert_uint_eq(th->co.regs.ax, 99);
	/* The signal was somebody else's: the call goes on. */
	next_signal = 0;
	this_carrier()->attention = 1;
	ck_assert(!sys_finish(&th->co, -ERESTARTSYS));
	ck_assert_int_eq(attended, 1);
	ck_assert_uint_eq(th->co.regs.ax, 99);
}
END_TEST

START_TEST(cleared_up)
{
	enter_back(__NR_read, 0, 0, 0, 0, 0, 0);
	th->call.held = 5;
	th->call.sigwait = 7;
	ck_assert(sys_finish(&th->co, 1));
	ck_assert_int_eq(closes, 1);
	ck_assert_int_eq(closed[0], 5);
	ck_assert_int_eq(th->call.held, -1);
	ck_assert_uint_eq(th->call.sigwait, 0);
	ck_assert(sys_finish(&th->co, 1));
	ck_assert_int_eq(closes, 1);
}
END_TEST

START_TEST(mask)
{
	enter_back(__NR_ppoll, 0, 0, 0, 0, 0, 0);
	th->call.mask_saved = true;
	th->call.mask = 0x5555;
	ck_assert(sys_finish(&th->co, 1));
	ck_assert_uint_eq(mask_set, 0x5555);
	ck_assert(!th->call.mask_saved);
	/* A handler runs first, and with the mask of the call. */
	mask_set = 0;
	enter_back(__NR_ppoll, 0, 0, 0, 0, 0, 0);
	th->call.mask_saved = true;
	next_signal = 10;
	ck_assert(sys_finish(&th->co, -ERESTARTNOHAND));
	ck_assert_uint_eq(mask_set, 0);
	ck_assert(th->call.mask_saved);
	ck_assert(th->co.notice);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("dispatch", 10, setup);

	tcase_add_test(tests, wakes);
	tcase_add_test(tests, complete);
	tcase_add_test(tests, restarted);
	tcase_add_test(tests, arguments);
	tcase_add_test(tests, native);
	tcase_add_test(tests, upper_half);
	tcase_add_test(tests, interrupted);
	tcase_add_test(tests, not_interrupted);
	tcase_add_test(tests, cleared_up);
	tcase_add_test(tests, mask);
	return unit_end();
}
