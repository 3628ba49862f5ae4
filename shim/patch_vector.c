/* SPDX-License-Identifier: MIT */
/* Whether the vector registers are dead at a system call of libc's: then no switch keeps them. */
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
