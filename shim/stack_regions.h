/* SPDX-License-Identifier: MIT */
/* The large mappings that stacks of threads lie in, side by side: see stacks.h. */
#ifndef COPATCH_STACK_REGIONS_H
#define COPATCH_STACK_REGIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "../scheduler/list.h"

#define PAGE 4096UL

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

#define STACK_PROTECTION (PROT_READ | PROT_WRITE)
#define STACK_FLAGS      (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK)

#define KEPT 1024 /* freed stacks of a class that keep what has been touched */

enum stack_state {
	FRESH,  /* never used */
	MAPPED, /* as far as the program knows, not accessible yet */
	USED,
	ODD,  /* in use, and unlike the others: its protection is the kernel's business */
	WARM, /* freed, its touched pages are still there */
	LEFT, /* freed, its touched pages go back with its neighbours' */
	COLD, /* freed, and as if fresh */
	GONE, /* not ours any more */
};

struct stack {
	uint32_t next; /* 1 + the next cold one of the region, 0 none */
	uint8_t state;
	uint8_t guard; /* pages marked at the lower end */
	uint8_t dirty; /* pages that may have been touched, */
	bool ended;    /* if all of its use has been by threads that ended on it */
};

struct region {
	uint64_t base, end;
	struct class *class;
	struct list open; /* in class->open while some are fresh or cold */
	uint32_t count, fresh, cold, busy;
	struct stack *stack;
};

/* Stacks of one size. */
struct class
{
	uint64_t size; /* 0: unused */
	uint64_t caller;
	struct list open;
	struct region *spare;      /* was all free when it was last looked at */
	struct region *leaving;    /* where stacks are LEFT, NULL nowhere: */
	uint32_t left, left_count; /* the first, and how many */
	uint32_t total, warm_count;
	uint64_t *warm;
};

extern struct region **region; /* by address; they do not overlap */
extern unsigned regions;
extern bool regions_off; /* no new stacks any more */

/* The first region that ends after `at`. */
unsigned region_after(uint64_t at);
struct region *region_of(uint64_t at); /* NULL none */
/* NULL: too many sizes. */
struct class *region_class(uint64_t size) __attribute__((warn_unused_result));
/* NULL: the kernel has no more; and see regions_off. */
struct region *region_new(struct class *c) __attribute__((warn_unused_result));
/* So many stacks fewer are in use; with the last, it may be no more. */
void region_leave(struct region *r, uint32_t n);

static inline bool stack_in_use(const struct stack *s)
{
	return s->state == MAPPED || s->state == USED || s->state == ODD;
}

static inline uint64_t stack_address(const struct region *r, const struct stack *s)
{
	return r->base + (uint64_t)(s - r->stack) * r->class->size;
}

#endif
