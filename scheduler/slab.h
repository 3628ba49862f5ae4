/* SPDX-License-Identifier: MIT */
/* Fixed-size private memory: code behind a door must never enter the program's malloc. */
#ifndef COPATCH_SLAB_H
#define COPATCH_SLAB_H

#include <stddef.h>

struct slab {
	size_t size; /* of one object, a multiple of 16 */
	void *free;  /* chain through the first word of each free object */
	char *bump;  /* untouched rest of the newest chunk */
	size_t left; /* bytes in it */
};

void slab_init(struct slab *s, size_t size);

/*
 * Zeroed memory, or NULL when the kernel has no more. Aligned to 16 bytes; to 64 if the size is a
 * multiple of that.
 */
void *slab_alloc(struct slab *s) __attribute__((warn_unused_result));
/* The same, not zeroed. */
void *slab_alloc_dirty(struct slab *s) __attribute__((warn_unused_result));
void slab_free(struct slab *s, void *p);

/* Whole pages of zeroed private memory, or NULL. `mem_pages_free` takes the same size again. */
void *mem_pages(size_t size) __attribute__((warn_unused_result));
void mem_pages_free(void *p, size_t size);

/* A stack of `size` bytes above one inaccessible page; returns its lowest usable address or NULL.
 */
void *mem_stack(size_t size) __attribute__((warn_unused_result));

#endif
