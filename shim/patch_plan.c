/* SPDX-License-Identifier: MIT */
/* Which bytes around a `syscall` may give way to a jump, and what stands for them in the stub. */
#include <string.h>

#include "patch.h"

#define LEA  7 /* bytes, of PATCH_EXIT */
#define ROOM (PATCH_SLOT - PATCH_EXIT)
/* More than this would take the carrier for too long, see branches_to. */
#define TEXT_MAX (32UL << 20)

static void note_disp(struct patch_plan *plan, const uint8_t *at, const struct insn *in)
{
	plan->disp_at[plan->disps] = (uint8_t)(at + in->disp_at - plan->from);
	plan->disp_end[plan->disps] = (uint8_t)(at + in->length - plan->from);
	plan->disps++;
}

/*
 * Decoding from the function's begin must arrive at the site, or what looks like an instruction
 * in front of it might be the end of another.
 */
static bool plan_before(const struct patch_function *fn, const uint8_t *site,
			struct patch_plan *plan)
{
	const uint8_t *run = fn->begin, *at;
	struct insn in;

	for (at = fn->begin; at < site; at += in.length) {
		if (!decode(at, fn->end, &in))
			return false;
		if (!in.movable)
			run = at + in.length;
	}
	if (at != site)
		return false;
	if (site - run > ROOM) {
		/* The last of them are enough: find the boundary again. */
		for (at = run; site - at > ROOM; at += in.length)
			if (!decode(at, site, &in))
				return false;
		run = at;
	}
	for (at = run; at < site; at += in.length) {
		if (!decode(at, site, &in))
			return false;
		if (in.length >= PATCH_JUMP) {
			plan->from = at;
			plan->disps = 0;
		}
		if (in.disp_at && plan->from && plan->disps == sizeof(plan->disp_at))
			return false;
		if (in.disp_at && plan->from)
			note_disp(plan, at, &in);
	}
	plan->before = plan->from ? (uint8_t)(site - plan->from) : 0;
	return plan->from;
}

/*
 * Whether any bytes of the text, taken for a direct branch, lead to `to`: no decoding can go
 * wrong here, and branches from a function's cold part are seen as well.
 */
static bool branches_to(const struct patch_function *fn, const uint8_t *to)
{
	const uint8_t *from = fn->text_begin, *end = fn->text_end - 4;

	for (const uint8_t *p = from; p <= end; p++) {
		int32_t rel;

		__builtin_memcpy(&rel, p, 4);
		if (__builtin_expect(p + 4 + rel == to, 0))
			return true;
	}
	for (const uint8_t *p = to - 128 > from ? to - 128 : from + 1; p < to + 128 && p < end;
	     p++) {
		if (p + 1 + (int8_t)*p != to)
			continue;
		/* jcc, jmp, loop and jrcxz */
		if ((p[-1] & 0xf0) == 0x70 || p[-1] == 0xeb || (p[-1] & 0xfc) == 0xe0)
			return true;
	}
	return false;
}

static bool jumps_indirectly(const struct patch_function *fn)
{
	struct insn in;

	for (const uint8_t *at = fn->begin; at < fn->end; at += in.length)
		if (!decode(at, fn->end, &in) || in.indirect)
			return true;
	return false;
}

static bool plan_after(const struct patch_function *fn, const uint8_t *site,
		       struct patch_plan *plan)
{
	const uint8_t *next = site + PATCH_SYSCALL;
	struct insn in;

	if (site < fn->begin || next >= fn->end || !decode(next, fn->end, &in) || !in.movable ||
	    PATCH_SYSCALL + in.length < PATCH_JUMP ||
	    PATCH_EXIT + PATCH_SYSCALL + in.length + PATCH_JUMP > PATCH_SLOT)
		return false;
	if (fn->text_end - fn->text_begin > (long)TEXT_MAX || jumps_indirectly(fn) ||
	    branches_to(fn, next))
		return false;
	memset(plan, 0, sizeof(*plan));
	plan->from = site;
	plan->site = site;
	plan->after = in.length;
	if (in.disp_at)
		note_disp(plan, next, &in);
	return true;
}

bool patch_plan(const struct patch_function *fn, const uint8_t *site, struct patch_plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	plan->site = site;
	return plan_before(fn, site, plan) || plan_after(fn, site, plan);
}

/* A displacement from the end of an instruction; false: out of reach. */
static bool put_rel(uint8_t *at, uint64_t end, uint64_t to)
{
	int64_t rel = (int64_t)(to - end);
	int32_t rel32 = (int32_t)rel;

	__builtin_memcpy(at, &rel32, 4);
	return rel == rel32;
}

/* The moved bytes begin at `out`, which is to stand at `at`. */
static bool fix_disps(const struct patch_plan *plan, const uint8_t *from, uint8_t *out, uint64_t at)
{
	for (unsigned i = 0; i < plan->disps; i++) {
		const uint8_t *end = plan->from + plan->disp_end[i];
		unsigned place = (unsigned)(plan->from + plan->disp_at[i] - from);
		int32_t rel;

		__builtin_memcpy(&rel, out + place, 4);
		if (!put_rel(out + place, at + (uint64_t)(end - from), (uint64_t)end + rel))
			return false;
	}
	return true;
}

bool patch_emit(const struct patch_plan *plan, uint64_t stub, uint8_t out[PATCH_SLOT],
		uint8_t jump[PATCH_JUMP])
{
	const uint8_t entry = plan->vectors_dead ? CA_SIDE_DEAD
			      : plan->flags_dead ? CA_SIDE_C
						 : CA_SIDE;
	const uint8_t jmp_gs[] = {
		0x65, 0xff, 0x24, 0x25, entry, 0, 0, 0,
	};
	const uint8_t *next = plan->site + PATCH_SYSCALL;
	uint64_t resume = plan->after ? patch_behind(plan, stub) : (uint64_t)next;
	uint8_t *o = out;
	bool ok;

	memset(out, 0xcc, PATCH_SLOT);
	jump[0] = 0xe9;
	ok = put_rel(jump + 1, (uint64_t)plan->from + PATCH_JUMP, stub);
	memcpy(o, plan->from, plan->before);
	if (!plan->after)
		ok = ok && fix_disps(plan, plan->from, o, stub);
	o += plan->before;
	o[0] = 0x48;
	o[1] = 0x8d;
	o[2] = 0x0d;
	ok = ok && put_rel(o + 3, stub + (uint64_t)(o - out) + LEA, resume);
	memcpy(o + LEA, jmp_gs, sizeof(jmp_gs));
	o += PATCH_EXIT;
	if (!plan->after)
		return ok;
	/*
	 * The instruction itself, in front of the place to go on from, as everywhere: who makes the
	 * call again goes back by two bytes.
	 */
	memcpy(o, plan->site, (size_t)PATCH_SYSCALL + plan->after);
	o += PATCH_SYSCALL;
	ok = ok && fix_disps(plan, next, o, resume);
	o += plan->after;
	*o++ = 0xe9;
	return ok && put_rel(o, stub + (uint64_t)(o - out) + 4, (uint64_t)next + plan->after);
}
