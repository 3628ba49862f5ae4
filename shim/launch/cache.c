/* SPDX-License-Identifier: MIT */
/* /etc/ld.so.cache, in the format that ldconfig writes since glibc 2.2
 * (sysdeps/generic/dl-cache.h). */
#include <string.h>

#include "closure.h"

#define MAGIC "glibc-ld.so.cache1.1"
#define ELF64 0x0303 /* FLAG_X8664_LIB64 | FLAG_ELF_LIBC6 */

struct header {
	char magic[20];
	uint32_t entries, strings_size;
	uint8_t flags, padding[3];
	uint32_t extensions, unused[3];
};

struct entry {
	int32_t flags;
	uint32_t name, path; /* places of strings, from the header */
	uint32_t os;
	uint64_t hwcap;
};

static const char *string(const char *cache, uint64_t size, uint64_t at)
{
	return at < size && memchr(cache + at, '\0', size - at) ? cache + at : NULL;
}

const char *cache_find(const void *data, uint64_t size, const char *name)
{
	/* behind a table of the older format, which may come first */
	const char *cache = size ? memmem(data, size, MAGIC, sizeof(MAGIC) - 1) : NULL;
	const char *found = NULL;
	struct header header;

	if (!cache)
		return NULL;
	size -= (uint64_t)(cache - (const char *)data);
	if (size < sizeof(header))
		return NULL;
	memcpy(&header, cache, sizeof(header));
	for (uint32_t i = 0; i < header.entries; i++) {
		uint64_t at = sizeof(header) + (uint64_t)i * sizeof(struct entry);
		struct entry entry;
		const char *text;

		if (at > size - sizeof(entry) || size < sizeof(entry))
			break;
		memcpy(&entry, cache + at, sizeof(entry));
		text = string(cache, size, entry.name);
		if (entry.flags != ELF64 || !text || strcmp(text, name) != 0)
			continue;
		/* for any processor, rather than for some kinds only */
		text = string(cache, size, entry.path);
		if (text && (!found || !entry.hwcap))
			found = text;
	}
	return found;
}
