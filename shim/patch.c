/* SPDX-License-Identifier: MIT */
/*
 * Which sites are led to the side door, when, and where their stubs are. There is one thread that
 * runs program text, so nobody is under way in the bytes while they change, but threads that have
 * been taken off may be about to go on there.
 */
#include "patch.h"

#include <string.h>
#include <sys/mman.h>

#include "../scheduler/carrier.h"
#include "../scheduler/check.h"
#include "../scheduler/raw.h"
#include "log.h"
#include "proc.h"
#include "report.h"
#include "sys.h"

#ifndef HOT    /* -DHOT=1: everything at once, for tests */
#define HOT 16 /* traps after which the work of patching is soon repaid */
#endif
#define SETTLED 255
#define SITES   1024 /* remembered at a time */
#define WAYS    4

#define STUBS      (PATCH_REGION / PATCH_SLOT)
#define BEHIND_MAX 64

static struct {
	uint64_t site;
	unsigned count;
} hot[SITES];

static struct patch_region region[PATCH_REGIONS];

/* Where threads go on that are shown a place inside displaced bytes. */
static struct {
	uint64_t original, stub;
} behind[BEHIND_MAX];

static unsigned regions, behinds;
static uint64_t lowest = ~0UL, highest; /* of all sites */
static const uint8_t *libc_fatal;
static bool on;

int patch_init(const void *fatal)
{
	int err = decode_init(sched_namespace());

	if (err)
		return err;
	this_carrier()->stubs = region;
	this_carrier()->side = side_entry;
	this_carrier()->side_c = side_entry_c;
	this_carrier()->side_dead = side_entry_dead;
	carrier_foreign.side = carrier_foreign.side_c = carrier_foreign.side_dead =
		side_entry_foreign;
	libc_fatal = fatal;
	on = true;
	return 0;
}

/* With the registers saved. */
__attribute__((used)) void side_enter(struct coroutine *co, int abi)
{
	co->abi = (uint8_t)abi;
	co->live_vector = true;
	carrier_enter(co, sys_again, sys_enter_side(co));
}

/* A private FUTEX_WAKE, with the registers saved that C does not keep. True: back to the program.
 */
__attribute__((used)) bool side_wakes(struct coroutine *co, int abi)
{
	co->abi = (uint8_t)abi;
	co->live_vector = true;
	sys_wakes_side(co);
	return carrier_goes_on(co);
}

static bool in_region(const struct patch_region *r, uint64_t ip)
{
	return ip - r->at < PATCH_REGION;
}

/* The stub that `ip` is in, NULL none. */
static const struct patch_plan *plan_at(uint64_t ip, uint64_t *stub)
{
	for (unsigned i = 0; i < regions; i++) {
		unsigned slot;

		if (!in_region(&region[i], ip))
			continue;
		slot = (unsigned)((ip - region[i].at) / PATCH_SLOT);
		*stub = region[i].at + slot * PATCH_SLOT;
		return &region[i].plan[slot];
	}
	return NULL;
}

uint64_t patch_ip_shown(uint64_t ip)
{
	uint64_t stub;
	const struct patch_plan *plan = plan_at(ip, &stub);

	return plan && plan->from ? patch_original(plan, stub, ip) : ip;
}

uint64_t patch_ip_resumed(uint64_t ip)
{
	for (unsigned i = 0; i < behinds; i++)
		if (behind[i].original == ip)
			return behind[i].stub;
	return ip;
}

static struct patch_region *region_for(const struct patch_function *fn)
{
	struct patch_region *r;
	uint64_t at;
	long got;

	for (r = region; r < region + regions; r++) {
		uint64_t low = r->at < fn->module_begin ? r->at : fn->module_begin;
		uint64_t end = r->at + PATCH_REGION;

		if (r->used < STUBS &&
		    (end > fn->module_end ? end : fn->module_end) - low < 1UL << 31)
			return r;
	}
	if (regions == PATCH_REGIONS)
		return NULL;
	/* First, or it would take the gap's place. */
	r->plan = mem_pages(STUBS * sizeof(*r->plan));
	if (!r->plan)
		return NULL;
	at = patch_find_gap(fn, PATCH_REGION);
	if (!at)
		goto fail;
	got = raw6(__NR_mmap, (long)at, PATCH_REGION, PROT_READ,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (got != (long)at) {
		if (!raw_failed(got))
			raw2(__NR_munmap, got, PATCH_REGION);
		goto fail;
	}
	r->at = at;
	regions++;
	return r;
fail:
	mem_pages_free(r->plan, STUBS * sizeof(*r->plan));
	return NULL;
}

/*
 * Executable bytes change while their pages are writable and not executable. Some systems let no
 * page become executable again that was written to; and then there must be a way back. So a copy
 * of the pages is made executable first.
 */
static bool rewrite(uint64_t at, const uint8_t *bytes, unsigned n)
{
	uint64_t page = at & ~4095UL, size = ((at + n + 4095) & ~4095UL) - page;
	char *copy = mem_pages(size);
	bool written = false;

	if (!copy)
		return false;
	memcpy(copy, (void *)page, size);
	memcpy(copy + (at - page), bytes, n);
	if (!raw3(__NR_mprotect, copy, size, PROT_READ | PROT_EXEC) &&
	    !raw3(__NR_mprotect, page, size, PROT_READ | PROT_WRITE)) {
		memcpy((void *)at, bytes, n);
		written = true;
		if (raw3(__NR_mprotect, page, size, PROT_READ | PROT_EXEC)) {
			CHECK(raw5(__NR_mremap, copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
				   page) == (long)page);
			return true;
		}
	}
	mem_pages_free(copy, size);
	return written;
}

/* Calls into Zydis: on main's TLS, and a signal that comes meanwhile is only noted. */
static bool make_plan(struct coroutine *co, const struct patch_function *fn, const uint8_t *site,
		      struct patch_plan *plan)
{
	struct carrier *ca = this_carrier();
	bool ok;

	co_save_vector(co);
	carrier_set_fs(ca->fs_main);
	ca->in_loop = true;
	ok = patch_plan(fn, site, plan);
	plan->flags_dead = ok && patch_flags_dead(fn, site, libc_fatal);
	plan->vectors_dead = ok && patch_vectors_dead(fn, site, libc_fatal);
	ca->in_loop = false;
	return ok;
}

/* Threads that have been taken off where the jump will be. */
static void move_threads(uint64_t from, uint64_t to)
{
	list_for_each (l, co_registry()) {
		struct coroutine *co = container_of(l, struct coroutine, all);

		if (co->regs.ip == from)
			co->regs.ip = to;
	}
}

static bool apply(const struct patch_function *fn, const struct patch_plan *plan)
{
	struct patch_region *r = region_for(fn);
	uint8_t stub[PATCH_SLOT], jump[PATCH_JUMP];
	uint64_t at;

	if (!r || (plan->after && behinds == BEHIND_MAX))
		return false;
	at = r->at + r->used * PATCH_SLOT;
	if (!patch_emit(plan, at, stub, jump) || !rewrite(at, stub, sizeof(stub)))
		return false;
	r->plan[r->used++] = *plan;
	if (!rewrite((uint64_t)plan->from, jump, sizeof(jump))) {
		r->plan[r->used - 1].from = NULL;
		return false;
	}
	if (plan->after) {
		behind[behinds].original = (uint64_t)plan->site + 2;
		behind[behinds].stub = patch_behind(plan, at);
		move_threads(behind[behinds].original, behind[behinds].stub);
		behinds++;
	}
	if ((uint64_t)plan->from < lowest)
		lowest = (uint64_t)plan->from;
	if ((uint64_t)plan->site + 2 > highest)
		highest = (uint64_t)plan->site + 2;
	return true;
}

static bool never(struct coroutine *co, uint64_t site)
{
	uint64_t stub;

	/* Unwinders know a signal's frame by the bytes behind it; vfork's caller is shared. */
	return co->regs.ax == __NR_rt_sigreturn || co->regs.ax == __NR_vfork ||
	       plan_at(site, &stub);
}

static void consider(struct coroutine *co, uint64_t site)
{
	struct patch_function fn;
	struct patch_plan plan;
	uint16_t word;

	if (never(co, site))
		return;
	/* Not `sysenter`, and not a prefix of something. */
	__builtin_memcpy(&word, (void *)site, 2);
	if (word == 0x050f && patch_find_function((const uint8_t *)site, &fn) &&
	    make_plan(co, &fn, (const uint8_t *)site, &plan) && apply(&fn, &plan)) {
		report.patched++;
		log_line(LOG_DEBUG, "call %u at 0x%x by the side door", co->regs.ax, site);
		return;
	}
	report.refused++;
	log_line(LOG_DEBUG, "call %u at 0x%x stays with the back door", co->regs.ax, site);
}

/*
 * Where a site is counted, SITES: nowhere. Several places for each: two that came in turns would
 * never let one another get hot.
 */
static unsigned place_of(uint64_t site)
{
	unsigned first = (unsigned)(site ^ site >> 10 ^ site >> 20) % SITES, i;

	for (unsigned k = 0; k < WAYS; k++)
		if (hot[(first + k) % SITES].site == site)
			return (first + k) % SITES;
	for (unsigned k = 0; k < WAYS; k++) {
		i = (first + k) % SITES;
		if (!hot[i].count) {
			hot[i].site = site;
			return i;
		}
	}
	for (unsigned k = 0; k < WAYS; k++)
		hot[(first + k) % SITES].count--;
	return SITES;
}

void patch_trapped(struct coroutine *co)
{
	uint64_t site = co->regs.ip - 2;
	unsigned i;

	/* Who shares our memory may be under way in the bytes. */
	if (!on || proc_beside_count)
		return;
	i = place_of(site);
	if (i == SITES)
		return;
	if (hot[i].count == SETTLED || ++hot[i].count < HOT)
		return;
	hot[i].count = SETTLED;
	consider(co, site);
}

void patch_forget(uint64_t begin, uint64_t end)
{
	if (begin >= highest || end <= lowest)
		return;
	for (struct patch_region *r = region; r < region + regions; r++)
		for (unsigned i = 0; i < r->used; i++)
			if ((uint64_t)r->plan[i].from - begin < end - begin)
				r->plan[i].from = NULL;
	for (unsigned i = behinds; i-- > 0;)
		if (behind[i].original - begin < end - begin)
			behind[i] = behind[--behinds];
	for (unsigned i = 0; i < SITES; i++)
		if (hot[i].site - begin < end - begin)
			hot[i].count = 0;
}
