/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: a kernel thread that looks now and then whether the carrier has switched, and
 * has told once of each time that it had not. It shares our memory and nothing else: with the
 * files it would keep them open that the program closes, and take numbers that the program is
 * about to be given.
 */
#include "watch.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "carrier.h"
#include "helper.h"
#include "raw.h"

#define STACK_SIZE (64UL << 10)
#define NS         1000000000UL
/*
 * A signal is answered at once by who has a processor and is not in the kernel: not after so many
 * nanoseconds of its processor time, or of any.
 */
#define ANSWER_CPU 20000000
#define ANSWER     2000000000UL

static struct {
	uint64_t limit; /* nanoseconds; 0 off */
	char *stack;
	struct carrier *ca;
	int carrier;
	volatile uint32_t tid;  /* cleared by the kernel when the thread is no more */
	volatile uint32_t stop; /* futex: end */
	volatile uint32_t ask;  /* futex: 1 asked, 2 `regs` are there */
	greg_t regs[NGREG];
} watch;

/* Sleeps, unless `word` is another value than `value` before. */
static void sleep_on(volatile uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / NS), (long)(ns % NS)};

	raw4(__NR_futex, word, FUTEX_WAIT_PRIVATE, value, &ts);
}

/* clock_getcpuclockid(3) of one thread: include/linux/posix-timers.h. */
static uint64_t carrier_cpu(void)
{
	return time_now((int)(~(unsigned)watch.carrier << 3 | 6));
}

static bool waits_for_events(const struct carrier *ca)
{
	return *(const volatile bool *)&ca->in_loop && *(const volatile bool *)&ca->idle;
}

bool watch_registers(struct watch_report *r, greg_t regs[NGREG])
{
	uint64_t until = time_now(CLOCK_MONOTONIC) + ANSWER, cpu = carrier_cpu() + ANSWER_CPU;

	__atomic_store_n(&watch.ask, 1, __ATOMIC_SEQ_CST);
	raw3(__NR_tgkill, raw0(__NR_getpid), r->carrier, OWN_SIGNAL);
	while (watch.ask == 1 && time_now(CLOCK_MONOTONIC) < until && carrier_cpu() < cpu)
		sleep_on(&watch.ask, 1, ANSWER_CPU / 4);
	r->starved = carrier_cpu() < cpu;
	if (__atomic_exchange_n(&watch.ask, 0, __ATOMIC_SEQ_CST) != 2)
		return false;
	memcpy(regs, watch.regs, sizeof(watch.regs));
	return true;
}

bool watch_signal(const ucontext_t *uc)
{
	if (watch.ask != 1 || (int)raw0(__NR_gettid) != watch.carrier)
		return false;
	memcpy(watch.regs, uc->uc_mcontext.gregs, sizeof(watch.regs));
	__atomic_store_n(&watch.ask, 2, __ATOMIC_SEQ_CST);
	raw3(__NR_futex, &watch.ask, FUTEX_WAKE_PRIVATE, 1);
	return true;
}

static _Noreturn void watch_main(void *arg)
{
	unsigned long seen = ~0UL;
	uint64_t since = 0, cpu = 0, last = 0, period = watch.limit / 4;
	bool told = true;

	(void)arg;
	raw1(__NR_set_tid_address, &watch.tid);
	raw2(__NR_prctl, PR_SET_NAME, "copatch-watch");
	raw3(__NR_close_range, 0, ~0U, 0);
	while (!watch.stop) {
		unsigned long switches = *(volatile unsigned long *)&sched_stats.switches;
		uint64_t now = time_now(CLOCK_MONOTONIC);

		if (switches != seen || waits_for_events(watch.ca)) {
			seen = switches;
			since = now;
			cpu = carrier_cpu();
			told = false;
		} else if (now - last > watch.limit + NS) {
			/* The whole process was stopped: that was nobody's doing. */
			since = now;
			cpu = carrier_cpu();
		} else if (!told && now - since >= watch.limit) {
			struct watch_report r = {watch.ca->current, watch.carrier, now - since,
						 carrier_cpu() - cpu, false};

			told = true;
			sched_hooks.blocked(&r);
		}
		last = now;
		sleep_on(&watch.stop, 0, period);
	}
	for (;;)
		raw1(__NR_exit, 0);
}

static void start(void)
{
	uint64_t all = ~0UL, old;
	long tid;

	if (!watch.stack)
		watch.stack = mem_stack(STACK_SIZE);
	if (!watch.stack)
		return;
	own_signal_init();
	watch.ca = this_carrier();
	watch.carrier = (int)raw0(__NR_gettid);
	watch.stop = 0;
	watch.tid = 1;
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	tid = helper_clone(CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
			   watch.stack + STACK_SIZE, watch_main, NULL, NULL);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &old, 0, 8);
	if (raw_failed(tid))
		watch.tid = 0;
}

void sched_watch(uint64_t ns)
{
	watch.limit = ns;
	if (ns && sched_hooks.blocked)
		start();
}

void sched_watch_end(void)
{
	if (!watch.tid)
		return;
	__atomic_store_n(&watch.stop, 1, __ATOMIC_SEQ_CST);
	raw3(__NR_futex, &watch.stop, FUTEX_WAKE_PRIVATE, 1);
	/* The kernel wakes as if other processes shared the word. */
	while (watch.tid)
		raw4(__NR_futex, &watch.tid, FUTEX_WAIT, 1, 0);
}

void watch_renew(void)
{
	if (!watch.tid)
		return;
	sched_watch_end();
	start();
}

/* The thread is not there in the child. */
void watch_after_fork(void)
{
	bool was = watch.tid;

	watch.tid = watch.ask = 0;
	if (was)
		start();
}
