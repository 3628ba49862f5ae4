/* SPDX-License-Identifier: MIT */
/*
 * Modules and functions, found without the dynamic linker, whose locks another coroutine may
 * hold: /proc/self/maps, then the table of functions that unwinding uses (.eh_frame_hdr, LSB
 * Core 5.0, 10.6).
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "../scheduler/raw.h"
#include "patch.h"
#include "usercopy.h"

#define REACH     (1UL << 30) /* half of what a jump has: the module itself is large as well */
#define PHDRS_MAX 64

struct mapping {
	uint64_t begin, end, offset, inode;
	char prot[4];
	bool stack, heap;
};

struct maps {
	int fd;
	unsigned at, len;
	char text[2048];
};

static bool maps_open(struct maps *m)
{
	memset(m, 0, sizeof(*m));
	m->fd = (int)raw3(__NR_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	return m->fd >= 0;
}

static void maps_close(struct maps *m)
{
	raw1(__NR_close, m->fd);
}

/* The next character, 0 at the end. */
static char next(struct maps *m)
{
	if (m->at == m->len) {
		long n = raw3(__NR_read, m->fd, m->text, sizeof(m->text));

		if (n <= 0)
			return 0;
		m->at = 0;
		m->len = (unsigned)n;
	}
	return m->text[m->at++];
}

/* A number, and the character behind it. */
static uint64_t number(struct maps *m, unsigned base)
{
	uint64_t n = 0;

	for (;;) {
		char c = next(m);
		unsigned digit = c >= 'a' ? (unsigned)(c - 'a' + 10) : (unsigned)(c - '0');

		if (c < '0' || (c > '9' && c < 'a') || digit >= base)
			return n;
		n = n * base + digit;
	}
}

static bool maps_next(struct maps *m, struct mapping *map)
{
	char c, first = 0, name[8] = "";
	unsigned n = 0;

	memset(map, 0, sizeof(*map));
	map->begin = number(m, 16);
	map->end = number(m, 16);
	if (!map->end)
		return false;
	for (int i = 0; i < 4; i++)
		map->prot[i] = next(m);
	next(m);
	map->offset = number(m, 16);
	number(m, 16); /* device, major and minor */
	number(m, 16);
	map->inode = number(m, 10);
	while ((c = next(m)) && c != '\n') {
		if (!first && c == ' ')
			continue;
		first = c;
		if (n < sizeof(name))
			name[n++] = c;
	}
	map->heap = !memcmp(name, "[heap]", 6);
	map->stack = !memcmp(name, "[stack", 6);
	return true;
}

struct table {
	uint64_t at;
	uint32_t count;
};

/* The table of functions in the module that begins at `base`, and the text around `at`. */
static bool find_table(uint64_t base, uint64_t at, struct patch_function *fn, struct table *t)
{
	uint64_t bias = 0, frames = 0;
	uint8_t head[4];
	Elf64_Ehdr eh;
	Elf64_Phdr ph;

	if (user_get(eh, base) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_phentsize != sizeof(ph) || eh.e_phnum > PHDRS_MAX)
		return false;
	fn->text_begin = NULL;
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < eh.e_phnum; i++) {
			const uint8_t *begin;

			if (user_get(ph, base + eh.e_phoff + i * sizeof(ph)))
				return false;
			begin = (const uint8_t *)(bias + ph.p_vaddr);
			if (!pass && ph.p_type == PT_LOAD && !ph.p_offset)
				bias = base - (ph.p_vaddr & ~4095UL);
			if (!pass)
				continue;
			if (ph.p_type == PT_GNU_EH_FRAME)
				frames = bias + ph.p_vaddr;
			if (ph.p_type == PT_LOAD && ph.p_flags & PF_X &&
			    at - (uint64_t)begin < ph.p_filesz) {
				fn->text_begin = begin;
				fn->text_end = begin + ph.p_filesz;
			}
		}
	}
	/* Version; pointer from here, count in four bytes, table of two from the header's begin. */
	if (!fn->text_begin || !frames || user_get(head, frames) || head[0] != 1 ||
	    head[1] != 0x1b || head[2] != 0x03 || head[3] != 0x3b)
		return false;
	t->at = frames;
	return !user_get(t->count, frames + 8);
}

struct entry {
	int32_t begin, fde; /* from the header's begin */
};

static bool get_entry(const struct table *t, uint32_t i, struct entry *e)
{
	return !user_get(*e, t->at + 12 + (uint64_t)i * sizeof(*e));
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
	if (user_get(rel, fde + 8) || user_get(length, fde + 12) ||
	    fde + 8 + (uint64_t)(int64_t)rel != begin || at - begin >= length)
		return false;
	fn->begin = (const uint8_t *)begin;
	fn->end = fn->begin + length;
	return fn->begin >= fn->text_begin && fn->end <= fn->text_end;
}

bool patch_find_function(const uint8_t *at, struct patch_function *fn)
{
	struct mapping map, first = {0};
	bool found = false;
	struct table t;
	struct maps m;

	if (!maps_open(&m))
		return false;
	while (maps_next(&m, &map)) {
		if (map.inode && !map.offset) {
			if (found)
				break;
			first = map;
		}
		if (found && map.inode == first.inode)
			fn->module_end = map.end;
		if ((uint64_t)at < map.begin || (uint64_t)at >= map.end)
			continue;
		if (!map.inode || map.inode != first.inode || memcmp(map.prot, "r-xp", 4))
			break;
		fn->module_begin = first.begin;
		fn->module_end = map.end;
		found = true;
	}
	maps_close(&m);
	/* A byte back: some functions say that they end with the call (glibc's clone.S). */
	return found && find_table(fn->module_begin, (uint64_t)at, fn, &t) &&
	       find_entry(&t, (uint64_t)at - 1, fn);
}

uint64_t patch_find_gap(const struct patch_function *fn, uint64_t size)
{
	struct mapping map, last = {.end = 65536};
	uint64_t below = 0, above = 0;
	struct maps m;

	if (!maps_open(&m))
		return 0;
	while (maps_next(&m, &map)) {
		/* Heap and stack grow. */
		bool fits = map.begin > last.end && map.begin - last.end >= size && !map.stack;

		if (fits && map.begin <= fn->module_begin)
			below = map.begin - size;
		if (fits && !above && last.end >= fn->module_end && !last.heap)
			above = last.end;
		if (map.end > last.end)
			last = map;
	}
	maps_close(&m);
	if (below && fn->module_end - below < REACH)
		return below;
	return above && above + size - fn->module_begin < REACH ? above : 0;
}
