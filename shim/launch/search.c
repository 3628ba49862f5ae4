/* SPDX-License-Identifier: MIT */
/* Where the loader looks for a library, and in which order: ld.so(8). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "closure.h"
#include "elf.h"

#define CACHE "/etc/ld.so.cache"

/* Debian's, then those of most others. Folders of glibc-hwcaps hold further copies only. */
static const char standard[] = "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:"
			       "/lib64:/usr/lib64:/lib:/usr/lib";

struct
try {
	const char *name;
	const char *origin; /* the file whose folder is $ORIGIN */
	char *path;
	size_t size;
};

/* The loader passes over what is no library for this machine. */
static bool fits(const char *path)
{
	struct elf_facts facts;
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || elf_inspect_file(path, &facts))
		return false;
	return facts.kind == ELF_SHARED || facts.kind == ELF_DYNAMIC;
}

static bool starts(const char *text, const char *end, const char *word, size_t *n)
{
	*n = strlen(word);
	return (size_t)(end - text) >= *n && !memcmp(text, word, *n);
}

/* One folder, with its $ORIGIN, $LIB and $PLATFORM. LIB is what $LIB stands for. */
static bool expand(const struct try *try, const char *folder, const char *end, const char *lib,
		   char *out, size_t size)
{
	const char *platform = (const char *)getauxval(AT_PLATFORM);
	const char *slash = strrchr(try->origin, '/');
	struct {
		const char *word, *braced, *value;
		size_t length;
	} words[] = {
		{"$ORIGIN", "${ORIGIN}", slash ? try->origin : ".",
		 slash ? (size_t)(slash - try->origin) : 1},
		{"$LIB", "${LIB}", lib, strlen(lib)},
		{"$PLATFORM", "${PLATFORM}", platform ? platform : "",
		 platform ? strlen(platform) : 0},
	};
	size_t used = 0;

	while (folder < end) {
		const char *value = folder;
		size_t skip = 1, length = 1;

		for (size_t i = 0; *folder == '$' && i < sizeof(words) / sizeof(words[0]); i++) {
			if (!starts(folder, end, words[i].braced, &skip) &&
			    !starts(folder, end, words[i].word, &skip))
				continue;
			value = words[i].value;
			length = words[i].length;
			break;
		}
		if (value == folder)
			skip = 1;
		if (used + length >= size)
			return false;
		memcpy(out + used, value, length);
		used += length;
		folder += skip;
	}
	out[used] = '\0';
	return true;
}

/* LIST is parted by colons; an empty part is the working folder. */
static bool in_list(const struct try *try, const char *list)
{
	static const char *const libs[] = {"lib/x86_64-linux-gnu", "lib64"};
	char folder[PATH_MAX];

	for (;;) {
		size_t n = strcspn(list, ":;");

		for (int i = 0; i < 2; i++) {
			if (!expand(try, list, list + n, libs[i], folder, sizeof(folder)))
				continue;
			if ((size_t)snprintf(try->path, try->size, "%s%s%s", n ? folder : ".", "/",
					     try->name) < try->size &&
			    fits(try->path))
				return true;
		}
		list += n;
		if (!*list++)
			return false;
	}
}

/* Read once: it is the same for all. */
static bool in_cache(const struct try *try)
{
	static void *cache;
	static uint64_t size;
	static bool looked;
	const char *found;

	if (!looked && image_read(CACHE, &cache, &size))
		cache = NULL;
	looked = true;
	found = cache ? cache_find(cache, size, try->name) : NULL;
	return found && (size_t)snprintf(try->path, try->size, "%s", found) < try->size &&
	       fits(try->path);
}

int closure_search(const struct closure *closure, int by, const char *name, char *path, size_t size)
{
	const struct object *from = &closure->object[by];
	const char *list = getenv("LD_LIBRARY_PATH");
	struct try try = {name, from->path, path, size};

	if (strchr(name, '/')) {
		if (!expand(&try, name, name + strlen(name), "lib64", path, size))
			return -ENAMETOOLONG;
		return fits(path) ? 0 : -ENOENT;
	}
	/* the older kind holds for all libraries further on, unless one has the newer kind */
	for (int i = by; i >= 0 && !from->runpath; i = closure->object[i].wanted_by) {
		const struct object *above = &closure->object[i];

		try.origin = above->path;
		if (above->rpath && !above->runpath && in_list(&try, above->rpath))
			return 0;
	}
	try.origin = closure->object[0].path;
	if (list && *list && in_list(&try, list))
		return 0;
	try.origin = from->path;
	if (from->runpath && in_list(&try, from->runpath))
		return 0;
	if (!from->no_default && (in_cache(&try) || in_list(&try, standard)))
		return 0;
	return -ENOENT;
}
