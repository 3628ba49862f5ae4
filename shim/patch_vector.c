/* SPDX-License-Identifier: MIT */
/* Whether flags and vector registers are dead at a system call of libc's: then none keeps them. */
#include <string.h>

#include "patch.h"

/*
 * The system call keeps them, but C does not: any function may destroy them all. So somebody has
 * something in them only if
 * - the function itself puts it there or takes it from there, and it has no such instruction;
 * - it passes through, as an argument or a result in floating point: of libc's functions those
 *   that make futex calls have none;
 * - a caller in the same source file has seen that this function leaves them alone (gcc's
 *   -fipa-ra): but it calls a function of another file, of which that is not known.
 * The call that shows all this is the one of __libc_fatal, which is made where the kernel answers
 * a futex call with an error that cannot be (futex_fatal_error in glibc's futex-internal.h).
 * Whatever else there may be in libc, and every other object, keeps its registers.
 */
bool patch_vectors_dead(const struct patch_function *fn, const uint8_t *site, const uint8_t *fatal)
{
	const uint8_t *at;
	bool shown = false;
	struct insn in;

	if (site < fn->begin || site >= fn->end || fatal < fn->text_begin || fatal >= fn->text_end)
		return false;
	for (at = fn->begin; at < fn->end; at += in.length) {
		if (!decode(at, fn->end, &in) || !in.general || in.indirect)
			return false;
		if (in.call && in.target == fatal)
			shown = true;
		/* A part of it that stands elsewhere, or another function that takes its place. */
		if (!in.call && in.target && (in.target < fn->begin || in.target >= fn->end))
			return false;
	}
	return shown;
}

/*
 * No function of C's expects any of its caller or leaves any, and a compiler takes every `syscall`
 * to set them. In what libc has in assembly they are dead too where the function ends behind it,
 * or goes on with a comparison, which sets them all.
 */
bool patch_flags_dead(const struct patch_function *fn, const uint8_t *site, const uint8_t *fatal)
{
	static const struct {
		uint8_t length, bytes[3];
	} ends[] = {
		{1, {0xc3}},             /* ret */
		{1, {0x3d}},             /* cmp $imm32,%eax */
		{2, {0x48, 0x3d}},       /* the same of %rax */
		{2, {0x83, 0xf8}},       /* cmp $imm8,%eax */
		{3, {0x48, 0x83, 0xf8}}, /* the same of %rax */
		{2, {0x85, 0xc0}},       /* test %eax,%eax */
		{3, {0x48, 0x85, 0xc0}}, /* the same of %rax */
	};
	const uint8_t *next = site + PATCH_SYSCALL;

	if (site < fn->begin || next >= fn->end || fatal < fn->text_begin || fatal >= fn->text_end)
		return false;
	for (unsigned i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (fn->end - next >= ends[i].length &&
		    !memcmp(next, ends[i].bytes, ends[i].length))
			return true;
	return false;
}
