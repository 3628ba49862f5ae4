/* SPDX-License-Identifier: MIT */
/* Processor time of single coroutines, which the kernel counts as one thread's. */
#include "cputime.h"

/*
 * Asking the kernel at every switch would cost a system call. So counts of the time-stamp
 * counter are collected, and from time to time what the carrier has really used since the last
 * time is shared out by them: what has been shared out never changes again, a clock never goes
 * back, and time that the kernel gave to other processes is nobody's.
 */
void cpu_settle(struct carrier *ca)
{
	uint64_t now, used;

	if (!ca->cycles)
		return;
	now = time_now(CLOCK_THREAD_CPUTIME_ID);
	used = now - ca->cpu_seen;
	while (!list_empty(&ca->ran)) {
		struct coroutine *co = container_of(ca->ran.next, struct coroutine, ran);

		co->cpu += (uint64_t)((unsigned __int128)used * co->cycles / ca->cycles);
		co->cycles = 0;
		list_del(&co->ran);
	}
	ca->cycles = 0;
	ca->cpu_seen = now;
}

uint64_t co_cpu_time(const struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	cpu_charge(ca, ca->current);
	cpu_settle(ca);
	return co->cpu;
}

uint64_t co_cycles(const struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	cpu_charge(ca, ca->current);
	/* No counter has more than 8 for a nanosecond. */
	return (stamp_by_clock ? co->cycles * 8 : co->cycles) + co->cpu * 8;
}

/* clone(2): the child's clocks start at 0. */
void cpu_after_fork(struct carrier *ca)
{
	while (!list_empty(&ca->ran))
		list_del(ca->ran.next);
	ca->cycles = 0;
	ca->cpu_seen = 0;
	ca->since = ca->began = stamp_now();
	if (ca->current) {
		ca->current->cycles = 0;
		ca->current->cpu = 0;
	}
}
