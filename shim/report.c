/* SPDX-License-Identifier: MIT */
/* What --stats prints: threads, switches, parks, doors, and what has held the carrier. */
#include "report.h"

#include <string.h>

#include "../scheduler/raw.h"
#include "../scheduler/sched.h"
#include "log.h"
#include "proc.h"
#include "sys.h"

#define LONG_NS 10000000

struct report report;

static const char *const names[SYS_COUNT] = {
#include "sys_names.h"
};
static const char *const causes[PARK_CAUSES] = {"descriptor", "time",   "futex or child",
						"helper",     "signal", "yielding"};

static struct {
	uint32_t count, longest_ms;
} held[SYS_COUNT];

static uint64_t first_tsc, first_ns;

const char *report_call_name(long nr)
{
	const char *name = (unsigned long)nr < SYS_COUNT ? names[nr] : NULL;

	return name ? name : "unknown call";
}

void report_init(void)
{
	first_tsc = report_clock();
	first_ns = time_now(CLOCK_MONOTONIC);
}

void report_held(long nr, uint64_t begun)
{
	uint64_t now = report_clock(), elapsed, ns;

	/* No processor counts slower than 1 per ns by much: rule most calls out cheaply. */
	if (now - begun < LONG_NS / 2 || (unsigned long)nr >= SYS_COUNT)
		return;
	elapsed = now - first_tsc;
	ns = (uint64_t)((unsigned __int128)(time_now(CLOCK_MONOTONIC) - first_ns) * (now - begun) /
			(elapsed ? elapsed : 1));
	if (ns < LONG_NS)
		return;
	held[nr].count++;
	if (ns / 1000000 > held[nr].longest_ms)
		held[nr].longest_ms = (uint32_t)(ns / 1000000);
}

void report_print(void)
{
	if (!report.wanted)
		return;
	log_line(LOG_ERROR, "threads made %u, most alive at once %u", sched_stats.made,
		 sched_stats.most);
	log_line(LOG_ERROR, "switches %u, time slices ended %u, looks at the loop %u, helpers %u",
		 sched_stats.switches, sched_stats.preempted, sched_stats.loops,
		 (unsigned long)helper_count());
	log_line(LOG_ERROR, "calls by the front door %u, by the side door %u, by the back door %u",
		 report.front, report.side, report.back);
	if (report.patched || report.refused)
		log_line(LOG_ERROR, "sites led to the side door %u, left to the back door %u",
			 report.patched, report.refused);
	for (int i = 0; i < PARK_CAUSES; i++)
		if (sched_stats.parks[i])
			log_line(LOG_ERROR, "parks for %s %u", causes[i], sched_stats.parks[i]);
	for (int nr = 0; nr < SYS_COUNT; nr++)
		if (held[nr].count)
			log_line(LOG_ERROR,
				 "%s held the carrier over 10 ms %u times, at most %u ms",
				 report_call_name(nr), (unsigned long)held[nr].count,
				 (unsigned long)held[nr].longest_ms);
}

void report_after_fork(void)
{
	memset(held, 0, sizeof(held));
	memset(&sched_stats, 0, sizeof(sched_stats));
	sched_stats.made = sched_stats.most = 1;
	report.front = report.side = report.back = 0;
	report_init();
}
