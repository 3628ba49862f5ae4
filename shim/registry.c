/* SPDX-License-Identifier: MIT */
/* The object by which others find the coroutines of this process: see registry.h. */
#include "registry.h"

#include <stddef.h>
#include <time.h>

#include "../scheduler/carrier.h"
#include "../scheduler/stamp.h"
#include "patch.h"
#include "thread.h"

#define AT(type, member)                                            \
	{                                                           \
		offsetof(type, member), sizeof(((type *)0)->member) \
	}

_Static_assert(TIMER_CLOCKS == REGISTRY_CLOCKS, "registry.h");
_Static_assert(offsetof(struct thread, co) == 0, "one offset serves both");
_Static_assert(sizeof(struct patch_region) == 24 && sizeof(struct patch_plan) == 32 &&
		       offsetof(struct patch_plan, site) == 8 &&
		       offsetof(struct patch_plan, before) == 16 &&
		       offsetof(struct patch_plan, after) == 17,
	       "copatch-gdb.py");

extern struct copatch_registry copatch_registry __attribute__((visibility("default")));

struct copatch_registry copatch_registry = {
	.magic = REGISTRY_MAGIC,
	.version = REGISTRY_VERSION,
	.size = sizeof(struct copatch_registry),
	.fields = REG_FIELDS,
	.carrier_size = sizeof(struct carrier),
	.thread_size = sizeof(struct thread),
	.clock = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME},
	.where =
		{
			[REG_CURRENT] = AT(struct carrier, current),
			[REG_ALL] = AT(struct carrier, all),
			[REG_CHARGED] = AT(struct carrier, since),
			[REG_CYCLES_ALL] = AT(struct carrier, cycles),
			[REG_CPU_SEEN] = AT(struct carrier, cpu_seen),
			[REG_TIMERS] = AT(struct carrier, timers),
			[REG_TIMER_ENTRY] = AT(struct timer_heap, entry),
			[REG_TIMER_COUNT] = AT(struct timer_heap, count),
			[REG_TIMER_HEAP] = {0, sizeof(struct timer_heap)},
			[REG_DEADLINE] = AT(struct timer_entry, deadline),
			[REG_DEADLINE_CO] = AT(struct timer_entry, co),
			[REG_DEADLINE_ALL] = {0, sizeof(struct timer_entry)},
			[REG_LINK] = AT(struct coroutine, all),
			[REG_REGS] = AT(struct coroutine, regs),
			[REG_FS] = AT(struct coroutine, fs),
			[REG_AGAIN] = AT(struct coroutine, again),
			[REG_RUNNABLE] = AT(struct coroutine, runnable),
			[REG_SINCE] = AT(struct coroutine, since),
			[REG_SWITCHES] = AT(struct coroutine, switches),
			[REG_CYCLES] = AT(struct coroutine, cycles),
			[REG_CPU] = AT(struct coroutine, cpu),
			[REG_PARKED_BY] = AT(struct coroutine, parked_by),
			[REG_TIMER_CLOCK] = AT(struct coroutine, timer_clock),
			[REG_TIMER_POS] = AT(struct coroutine, timer_pos),
			[REG_QUEUE_KEY] = AT(struct coroutine, queue_key),
			[REG_FD_WAIT] = AT(struct coroutine, fd),
			[REG_WAIT_FD] = AT(struct fd_wait, fd),
			[REG_WAIT_EVENTS] = AT(struct fd_wait, events),
			[REG_WAIT_NEXT] = AT(struct fd_wait, next),
			[REG_TID] = AT(struct thread, tid),
			[REG_NAME] = AT(struct thread, name),
			[REG_CLEAR_TID] = AT(struct thread, clear_tid),
			[REG_CALL_NR] = AT(struct thread, call.nr),
			[REG_CALL_ARG] = AT(struct thread, call.arg),
			[REG_CALL_JOB] = AT(struct thread, call.job),
			[REG_SIGWAIT] = AT(struct thread, call.sigwait),
			[REG_STUBS] = AT(struct carrier, stubs),
		},
};

void registry_open(void)
{
	copatch_registry.tsc = stamp_now();
	copatch_registry.nsec = stamp_by_clock ? copatch_registry.tsc : time_now(CLOCK_MONOTONIC);
	copatch_registry.pid = process_id;
	copatch_registry.carrier = (uint64_t)this_carrier();
}

void registry_after_fork(void)
{
	copatch_registry.pid = process_id;
}
