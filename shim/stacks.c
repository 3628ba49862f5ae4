/* SPDX-License-Identifier: MIT */
/* What becomes of stacks of threads, from mmap to munmap: see stacks.h. */
#include "stacks.h"

#include <string.h>
#include <sys/mman.h>

#include "../scheduler/raw.h"
#include "stack_regions.h"

#define GUARD_MAX 16 /* pages; larger guards are the kernel's, they would fill page tables */

/*
 * What is given back at once, and what only when it is worth a call. The first touch of a page
 * costs the processor's trap, the kernel's work and the zeroing: never less than TOUCH counts. So
 * the time that threads have run on a stack says how many pages they can have touched, wherever.
 */
#define TOUCH 512
#define BARE  32 /* pages */
#define TOP   2  /* pages at the upper end: TLS, struct pthread, the first frames */
#define ALONE 3  /* pages that a thread that ends leaves alone below its frame, or more */

#define TOGETHER 32 /* stacks that are given back by one call */

static uint64_t last_mapped, last_caller;

static long advise(uint64_t at, uint64_t size, int advice)
{
	return size ? raw3(__NR_madvise, at, size, advice) : 0;
}

static void give_back(struct class *c);

/* The stack in use that `at` is in, NULL none; *base is its lower end. */
static struct stack *find(uint64_t at, struct region **r, uint64_t *base)
{
	struct stack *s;

	*r = region_of(at);
	if (!*r)
		return NULL;
	s = &(*r)->stack[(at - (*r)->base) / (*r)->class->size];
	*base = stack_address(*r, s);
	return stack_in_use(s) ? s : NULL;
}

static void hand_out(struct stack *s, uint8_t dirty)
{
	s->state = MAPPED;
	s->dirty = dirty;
	s->ended = false;
}

/* 0: there is none. */
static uint64_t take_warm(struct class *c, uint64_t caller)
{
	while (c->warm_count) {
		uint64_t at = c->warm[--c->warm_count];
		struct region *r = region_of(at);
		struct stack *s = r ? &r->stack[(at - r->base) / r->class->size] : NULL;

		/* The program may have unmapped what it did not own. */
		if (!s || r->class != c || s->state != WARM)
			continue;
		if (caller == c->caller) {
			memset((void *)(at + c->size - TOP * PAGE), 0, TOP * PAGE);
			hand_out(s, s->dirty);
		} else {
			advise(at + s->guard * PAGE, c->size - s->guard * PAGE, MADV_DONTNEED);
			hand_out(s, 0);
		}
		return at;
	}
	return 0;
}

static struct stack *pop(struct region *r)
{
	struct stack *s;

	while (r->cold) {
		s = &r->stack[r->cold - 1];
		r->cold = s->next;
		if (s->state == COLD)
			return s;
	}
	while (r->fresh < r->count) {
		s = &r->stack[r->fresh++];
		if (s->state == FRESH)
			return s;
	}
	return NULL;
}

static uint64_t take(struct class *c)
{
	give_back(c);
	for (;;) {
		struct region *r;
		struct stack *s;

		if (list_empty(&c->open) && !region_new(c))
			return 0;
		r = container_of(c->open.next, struct region, open);
		s = pop(r);
		if (s) {
			r->busy++;
			hand_out(s, 0);
			return stack_address(r, s);
		}
		list_del(&r->open);
	}
}

uint64_t stacks_map(uint64_t size, uint64_t caller)
{
	struct class *c;
	uint64_t at;

	if (regions_off || size % PAGE || size < (TOP + 2) * PAGE || size > 1UL << 40)
		return 0;
	c = region_class(size);
	if (!c)
		return 0;
	at = take_warm(c, caller);
	if (!at)
		at = take(c);
	if (at) {
		last_mapped = at;
		last_caller = caller;
	}
	return at;
}

void stacks_begin(uint64_t sp)
{
	struct region *r;
	uint64_t base;

	if (regions && find(sp, &r, &base) && base == last_mapped)
		r->class->caller = last_caller;
}

static uint8_t touched(const struct stack *s, uint64_t counts)
{
	uint64_t pages = s->dirty + counts / TOUCH + 1;

	return pages < UINT8_MAX ? (uint8_t)pages : UINT8_MAX;
}

void stacks_end(uint64_t sp, uint64_t counts)
{
	struct region *r;
	uint64_t base;
	struct stack *s = regions ? find(sp, &r, &base) : NULL;

	if (!s)
		return;
	s->dirty = touched(s, counts);
	s->ended = true;
}

/*
 * glibc gives back what lies below the frame of a thread that ends, except for PTHREAD_STACK_MIN.
 * The stack goes into glibc's cache then, which is bounded by the sizes of stacks, or comes back
 * here. Nobody but glibc begins with the guard.
 */
bool stacks_bare(uint64_t at, uint64_t size, uint64_t sp, uint64_t counts)
{
	struct region *r;
	uint64_t base;
	struct stack *s = regions ? find(at, &r, &base) : NULL;

	if (!s || s->state != USED || at != base || sp - at < size + ALONE * PAGE ||
	    sp - at > r->class->size)
		return false;
	if ((s->guard && size <= BARE * PAGE) || touched(s, counts) <= BARE)
		return true;
	s->dirty = 0;
	return false;
}

/* Whatever became of it, in its place is a fresh one. */
static bool renew(const struct region *r, struct stack *s)
{
	uint64_t at = stack_address(r, s);

	if (raw6(__NR_mmap, (long)at, (long)r->class->size, STACK_PROTECTION,
		 STACK_FLAGS | MAP_FIXED, -1, 0) != (long)at)
		return false;
	s->guard = 0;
	return true;
}

/* Its touched pages go back, but for `keep` at the upper end. */
static bool empty(const struct region *r, struct stack *s, uint64_t keep)
{
	uint64_t low = stack_address(r, s) + s->guard * PAGE;
	uint64_t high = stack_address(r, s) + r->class->size - keep * PAGE;

	/* What the program has locked cannot be given back like that. */
	return s->state != ODD && !advise(low, high - low, MADV_DONTNEED);
}

static void make_cold(struct region *r, struct stack *s)
{
	if (list_empty(&r->open))
		list_add_tail(&r->class->open, &r->open);
	s->state = COLD;
	s->next = r->cold;
	r->cold = (uint32_t)(s - r->stack) + 1;
}

/* A call and a flush of the TLB cost more than the few pages of one: so they go together. */
static void give_back(struct class *c)
{
	struct region *r = c->leaving;
	bool done;

	if (!r)
		return;
	c->leaving = NULL;
	/* Marks of guards outlast it. */
	done = !advise(stack_address(r, &r->stack[c->left]), c->left_count * c->size,
		       MADV_DONTNEED);
	for (uint32_t i = c->left; i < c->left + c->left_count; i++) {
		if (done || renew(r, &r->stack[i]))
			make_cold(r, &r->stack[i]);
		else
			r->stack[i].state = GONE;
	}
	region_leave(r, c->left_count);
}

static void leave(struct region *r, struct stack *s)
{
	struct class *c = r->class;
	uint32_t i = (uint32_t)(s - r->stack);

	if (c->leaving != r || (i + 1 != c->left && i != c->left + c->left_count)) {
		give_back(c);
		c->leaving = r;
		c->left = i;
		c->left_count = 0;
	}
	s->state = LEFT;
	c->left -= i < c->left;
	if (++c->left_count == TOGETHER)
		give_back(c);
}

bool stacks_unmap(uint64_t at, uint64_t size)
{
	struct region *r;
	uint64_t base;
	struct stack *s = regions ? find(at, &r, &base) : NULL;
	struct class *c;
	bool little;

	if (!s || at != base || size != r->class->size || regions_off)
		return false;
	c = r->class;
	little = s->ended && s->state == USED && s->dirty <= BARE;
	if (s->ended && s->state == USED && c->warm_count < KEPT && (little || empty(r, s, TOP))) {
		if (!little)
			s->dirty = TOP;
		s->state = WARM;
		c->warm[c->warm_count++] = at;
		return true;
	}
	if (little) {
		leave(r, s);
		return true;
	}
	if (!empty(r, s, 0) && !renew(r, s))
		return false;
	make_cold(r, s);
	region_leave(r, 1);
	return true;
}

/* Everything but so many pages becomes accessible: only marks, of the guard, tell it. */
static bool set_guard(struct stack *s, uint64_t base, uint64_t pages)
{
	uint64_t at = base + s->guard * PAGE, want = base + pages * PAGE;

	if (want > at && advise(at, want - at, MADV_GUARD_INSTALL))
		return false;
	if (want < at && advise(want, at - want, MADV_GUARD_REMOVE))
		return false;
	s->guard = (uint8_t)pages;
	return true;
}

/* From marks to the kernel's ways. If that fails, what the program asks for will too. */
static void make_odd(const struct region *r, struct stack *s)
{
	uint64_t base = stack_address(r, s), closed = s->guard * PAGE;

	if (s->state == MAPPED)
		closed = r->class->size;
	s->state = ODD;
	if (closed && !raw3(__NR_mprotect, base, closed, PROT_NONE))
		set_guard(s, base, 0);
}

int stacks_protect(uint64_t at, uint64_t size, int prot)
{
	struct region *r;
	uint64_t base, end = at + size;
	struct stack *s = regions ? find(at, &r, &base) : NULL;
	bool plain = s && prot == (PROT_READ | PROT_WRITE) && !(at % PAGE) &&
		     end <= base + r->class->size;

	/* As setup_stack_prot in nptl/allocatestack.c. */
	if (plain && s->state == MAPPED && end == base + r->class->size &&
	    (at - base) / PAGE <= GUARD_MAX && set_guard(s, base, (at - base) / PAGE)) {
		s->state = USED;
		return 0;
	}
	if (plain && s->state == USED && at >= base + s->guard * PAGE)
		return 0; /* it is already */
	if (s && prot & PROT_EXEC)
		regions_off = true; /* the next stacks will be so too */
	stacks_disturb(at, size);
	return 1;
}

/* What lies there will not be for us to change. */
static void give_back_in(uint64_t at, uint64_t size)
{
	unsigned i = region_after(at);

	while (i < regions && region[i]->base < at + size) {
		struct region *r = region[i];

		if (r->class->leaving == r)
			give_back(r->class);
		i += i < regions && region[i] == r; /* it may be gone with its last stack */
	}
}

static struct stack *first_in(const struct region *r, uint64_t at)
{
	return &r->stack[at > r->base ? (at - r->base) / r->class->size : 0];
}

void stacks_disturb(uint64_t at, uint64_t size)
{
	give_back_in(at, size);
	for (unsigned i = region_after(at); i < regions && region[i]->base < at + size; i++) {
		struct region *r = region[i];

		for (struct stack *s = first_in(r, at);
		     s < r->stack + r->count && stack_address(r, s) < at + size; s++)
			if (s->state == MAPPED || s->state == USED)
				make_odd(r, s);
	}
}

void stacks_forget(uint64_t at, uint64_t size)
{
	unsigned i = region_after(at);

	while (i < regions && region[i]->base < at + size) {
		struct region *r = region[i];
		uint32_t lost = 0;

		for (struct stack *s = first_in(r, at);
		     s < r->stack + r->count && stack_address(r, s) < at + size; s++) {
			lost += stack_in_use(s) || s->state == WARM;
			s->state = GONE;
		}
		region_leave(r, lost);
		i += i < regions && region[i] == r;
	}
}

void stacks_stop(void)
{
	regions_off = true;
	for (unsigned i = regions; i-- > 0;) {
		struct region *r = region[i];
		uint32_t freed = 0;

		r->class->leaving = NULL;
		for (struct stack *s = r->stack; s < r->stack + r->count; s++) {
			if (stack_in_use(s) || s->state == GONE)
				continue;
			raw2(__NR_munmap, stack_address(r, s), r->class->size);
			freed += s->state == WARM || s->state == LEFT;
			s->state = GONE;
		}
		region_leave(r, freed);
	}
}

bool stacks_guards(uint64_t address)
{
	struct region *r;
	uint64_t base;
	const struct stack *s = regions ? find(address, &r, &base) : NULL;

	return s && address < base + s->guard * PAGE;
}
