/* SPDX-License-Identifier: MIT */
/*
 * Where functions begin and end, by the table that unwinding uses (.eh_frame_hdr, LSB Core 5.0,
 * 10.6). Trusts nothing that it reads.
 */
#include <elf.h>
#include <string.h>

#include "patch.h"

#define PHDRS_MAX 64

#define load(mem, var, at) ((mem)->get((mem)->cookie, &(var), (at), sizeof(var)))

struct table {
	const struct patch_memory *mem;
	uint64_t at;
	uint32_t count;
	uint64_t text_begin, text_end;
};

/* The table of functions in the module that begins at `base`, and the text around `at`. */
static bool find_table(const struct patch_memory *mem, uint64_t base, uint64_t at, struct table *t)
{
	uint64_t bias = 0, frames = 0;
	uint8_t head[4];
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (!load(mem, eh, base) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_phentsize != sizeof(ph) || eh.e_phnum > PHDRS_MAX)
		return false;
	t->text_end = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < eh.e_phnum; i++) {
			uint64_t begin;

			if (!load(mem, ph, base + eh.e_phoff + i * sizeof(ph)))
				return false;
			begin = bias + ph.p_vaddr;
			if (!pass && ph.p_type == PT_LOAD && !ph.p_offset)
				bias = base - (ph.p_vaddr & ~4095UL);
			if (!pass)
				continue;
			if (ph.p_type == PT_GNU_EH_FRAME)
				frames = bias + ph.p_vaddr;
			if (ph.p_type == PT_LOAD && ph.p_flags & PF_X && at - begin < ph.p_filesz) {
				t->text_begin = begin;
				t->text_end = begin + ph.p_filesz;
			}
		}
	}
	/* Version; pointer from here, count in four bytes, table of two from the header's begin. */
	if (!t->text_end || !frames || !load(mem, head, frames) || head[0] != 1 ||
	    head[1] != 0x1b || head[2] != 0x03 || head[3] != 0x3b)
		return false;
	t->mem = mem;
	t->at = frames;
	return load(mem, t->count, frames + 8);
}

struct entry {
	int32_t begin, fde; /* from the header's begin */
};

static bool get_entry(const struct table *t, uint32_t i, struct entry *e)
{
	return load(t->mem, *e, t->at + 12 + (uint64_t)i * sizeof(*e));
}

/*
 * The function in whose bytes `at` lies. The begin stands twice, in the table and in the
 * description: where they agree, that is written as offsets from where it stands, of four bytes,
 * and so is what follows, the function's length.
 */
static bool find_entry(const struct table *t, uint64_t at, struct patch_function *fn)
{
	uint32_t lo = 0, hi = t->count, length;
	uint64_t begin, fde;
	struct entry e;
	int32_t rel;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (!get_entry(t, mid, &e))
			return false;
		if (t->at + (uint64_t)(int64_t)e.begin <= at)
			lo = mid;
		else
			hi = mid;
	}
	if (!t->count || !get_entry(t, lo, &e))
		return false;
	begin = t->at + (uint64_t)(int64_t)e.begin;
	fde = t->at + (uint64_t)(int64_t)e.fde;
	if (!load(t->mem, rel, fde + 8) || !load(t->mem, length, fde + 12) ||
	    fde + 8 + (uint64_t)(int64_t)rel != begin || at - begin >= length)
		return false;
	fn->begin = (const uint8_t *)begin;
	fn->end = (const uint8_t *)(begin + length);
	fn->text_begin = (const uint8_t *)t->text_begin;
	fn->text_end = (const uint8_t *)t->text_end;
	return begin + length > begin && begin >= t->text_begin && begin + length <= t->text_end;
}

bool patch_frames(const struct patch_memory *mem, uint64_t base, uint64_t at,
		  struct patch_function *fn)
{
	struct table t;

	/* A byte back: some functions say that they end with the call (glibc's clone.S). */
	return find_table(mem, base, at, &t) && find_entry(&t, at - 1, fn);
}
