/* SPDX-License-Identifier: MIT */
/* Fixed-size allocator over anonymous mappings. */
#include "slab.h"

#include <string.h>
#include <sys/mman.h>

#include "raw.h"

#define CHUNK (256UL << 10)
#define PAGE  4096UL

void *mem_pages(size_t size)
{
	long p = raw6(__NR_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return raw_failed(p) ? NULL : (void *)p;
}

void mem_pages_free(void *p, size_t size)
{
	raw2(__NR_munmap, p, size);
}

void *mem_stack(size_t size)
{
	char *p = mem_pages(size + PAGE);

	if (!p)
		return NULL;
	raw3(__NR_mprotect, p, PAGE, PROT_NONE);
	return p + PAGE;
}

void slab_init(struct slab *s, size_t size)
{
	memset(s, 0, sizeof(*s));
	s->size = (size + 15) & ~15UL;
}

void *slab_alloc_dirty(struct slab *s)
{
	void *p = s->free;

	if (p) {
		s->free = *(void **)p;
		return p;
	}
	if (s->left < s->size) {
		size_t chunk = s->size > CHUNK / 8 ? s->size * 8 : CHUNK;

		s->bump = mem_pages(chunk);
		s->left = s->bump ? chunk : 0;
		if (!s->bump)
			return NULL;
	}
	p = s->bump;
	s->bump += s->size;
	s->left -= s->size;
	return p;
}

void *slab_alloc(struct slab *s)
{
	void *used = s->free, *p = slab_alloc_dirty(s);

	if (used)
		memset(p, 0, s->size);
	return p;
}

void slab_free(struct slab *s, void *p)
{
	*(void **)p = s->free;
	s->free = p;
}
