/* SPDX-License-Identifier: MIT */
/* Processor time of single threads, which the kernel knows as one. */
#include <sys/resource.h>
#include <sys/time.h>

#include "../scheduler/raw.h"
#include "sys.h"
#include "usercopy.h"

#define NS 1000000000UL

/* include/linux/posix-timers_types.h: ~id << 3, 4 for a thread, 0 to 2 for what is counted. */
#define CPU_CLOCK_THREAD 4

/* Whose time `clock` is, NULL if the kernel can tell. */
static struct thread *owner(struct thread *th, int clock)
{
	struct thread *of = th;

	if (clock < 0 && (clock & 7) != 7 && clock & CPU_CLOCK_THREAD) {
		if ((int)(~(unsigned)clock >> 3))
			of = thread_by_tid((int)(~(unsigned)clock >> 3));
	} else if (clock != CLOCK_THREAD_CPUTIME_ID) {
		return NULL;
	}
	/* A process that never had a second thread has a clock that is exact. */
	return of && of->tid == process_id && sched_stats.made == 1 ? NULL : of;
}

long sys_clock_gettime(struct thread *th)
{
	struct thread *of = owner(th, (int)th->call.arg[0]);
	struct timespec ts;
	uint64_t ns;

	if (!of)
		return sys_native(th);
	ns = co_cpu_time(&of->co);
	ts = (struct timespec){(time_t)(ns / NS), (long)(ns % NS)};
	return user_put(th->call.arg[1], ts);
}

long sys_clock_getres(struct thread *th)
{
	struct timespec ts = {0, 1};

	if (!owner(th, (int)th->call.arg[0]))
		return sys_native(th);
	return th->call.arg[1] ? user_put(th->call.arg[1], ts) : 0;
}

/* The kernel's numbers are the carrier's; the time is the thread's own. */
long sys_getrusage(struct thread *th)
{
	struct rusage usage;
	uint64_t ns;
	long err;

	if (th->call.arg[0] != RUSAGE_THREAD || !owner(th, CLOCK_THREAD_CPUTIME_ID))
		return sys_native(th);
	err = raw2(__NR_getrusage, RUSAGE_THREAD, &usage);
	if (err)
		return err;
	ns = co_cpu_time(&th->co);
	usage.ru_utime = (struct timeval){(time_t)(ns / NS), (long)(ns % NS / 1000)};
	usage.ru_stime = (struct timeval){0, 0};
	return user_put(th->call.arg[1], usage);
}
