/* SPDX-License-Identifier: MIT */
/*
 * Modules and functions, found without the dynamic linker, whose locks another coroutine may
 * hold: /proc/self/maps, then patch_frames().
 */
#include <fcntl.h>
#include <string.h>

#include "../scheduler/raw.h"
#include "patch.h"
#include "usercopy.h"

#define REACH (1UL << 30) /* half of what a jump has: the module itself is large as well */

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

static bool get(void *cookie, void *to, uint64_t at, size_t n)
{
	(void)cookie;
	return !user_copy(to, (const void *)at, n);
}

bool patch_find_function(const uint8_t *at, struct patch_function *fn)
{
	struct mapping map, first = {0};
	bool found = false;
	struct patch_memory own = {get, NULL};
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
	return found && patch_frames(&own, fn->module_begin, (uint64_t)at, fn);
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
