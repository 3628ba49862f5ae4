/* SPDX-License-Identifier: MIT */
/* Stacks of greenlets and generators: memory with a guard below, some kept for the next one. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../copatch.h"
#include "context.h"

#define PAGE     4096UL
#define GUARD    (16 * PAGE)  /* a function with large arrays must not step over it */
#define SMALLEST (16UL << 10) /* there must be room for a signal's frame with vector state */

static size_t stack_size = 256UL << 10;

int copatch_stack_size(size_t bytes)
{
	if (bytes < SMALLEST || bytes > SIZE_MAX / 2)
		return -EINVAL;
	__atomic_store_n(&stack_size, (bytes + PAGE - 1) & ~(PAGE - 1), __ATOMIC_RELAXED);
	return 0;
}

static void unmap(struct stack *s)
{
	munmap(s->base - GUARD, s->size + GUARD);
	s->base = NULL;
}

int stack_get(struct api_thread *th, struct stack *s)
{
	size_t size = __atomic_load_n(&stack_size, __ATOMIC_RELAXED);
	char *at;

	while (th->cache.n) {
		*s = th->cache.stack[--th->cache.n];
		if (s->size == size)
			return 0;
		unmap(s);
	}
	at = mmap(NULL, GUARD + size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(at, GUARD, PROT_NONE)) {
		munmap(at, GUARD + size);
		return -ENOMEM;
	}
	s->base = at + GUARD;
	s->size = size;
	return 0;
}

void stack_put(struct api_thread *th, struct stack *s)
{
	if (th->cache.n < sizeof(th->cache.stack) / sizeof(th->cache.stack[0])) {
		th->cache.stack[th->cache.n++] = *s;
		s->base = NULL;
	} else {
		unmap(s);
	}
}

void stack_cache_empty(struct api_thread *th)
{
	while (th->cache.n)
		unmap(&th->cache.stack[--th->cache.n]);
}
