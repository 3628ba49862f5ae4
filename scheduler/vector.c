/* SPDX-License-Identifier: MIT */
/* Vector state: out of the processor and into it, in full or in brief. */
#include "vector.h"

#include <string.h>

#include "carrier.h"
#include "check.h"

/* What a process begins with: every component in its initial state. */
static const struct {
	uint16_t fcw, fsw, ftw, fop;
	uint64_t ip, dp;
	uint32_t mxcsr, mxcsr_mask;
	char rest[480];
	uint64_t header[8];
} initial_vector __attribute__((aligned(64))) = {.fcw = VECTOR_FCW, .mxcsr = VECTOR_MXCSR};

uint32_t co_vector_size;
uint64_t co_vector_mask;

/* The brief form, NULL: only the full one. */
static struct {
	bool (*save)(struct vector_small *);
	void (*load)(const struct vector_small *);
	uint32_t size, masks_at, zmm16_at; /* its own; places in an XSAVE image */
} brief;

/*
 * From so many threads on memory counts for more than 0.1 us, at a switch out of a call that
 * knows not which registers are alive.
 */
#define CROWD 1100

static const uint32_t packed_size[VECTOR_KINDS] = {128, 192, 256, 512};
static struct vector_small unpacked; /* in passing */

_Static_assert(sizeof(struct vector_small) <= 3 * 64 * 8, "vector_packed.present");
_Static_assert(sizeof(struct vector_small) == VS_SIZE, "vector_x86_64.S");
_Static_assert(offsetof(struct vector_small, mask) == VS_MASKS, "vector_x86_64.S");
_Static_assert(offsetof(struct vector_small, zmm16) == VS_ZMM16, "vector_x86_64.S");

/*
 * The place of each component that the kernel has enabled (Intel SDM volume 1, 13.2). Not the
 * tiles of AMX: a program must ask the kernel for them, and they are too large to save each time.
 * Not the rights of protection keys either: left alone, all threads have what one of them sets,
 * and those that set nothing have the kernel's default and not the processor's, which is none.
 */
#define AMX  (3UL << 17)
#define PKRU (1UL << 9)

static void measure(void)
{
	uint32_t lo, hi, a, b, c, d;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	co_vector_mask = ((uint64_t)hi << 32 | lo) & ~(AMX | PKRU);
	co_vector_size = 512 + 64;
	for (int i = 2; i < 63; i++) {
		if (!(co_vector_mask >> i & 1))
			continue;
		__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(0xd), "2"(i));
		if (b + a > co_vector_size)
			co_vector_size = b + a;
		if (i == 5)
			brief.masks_at = b;
		if (i == 7)
			brief.zmm16_at = b;
	}
	__asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "0"(7), "2"(0));
	brief.size = VS_MASKS;
	switch (co_vector_mask) {
	case 3:
		brief.save = vector_save_sse;
		brief.load = vector_load_sse;
		break;
	case 7:
		brief.save = vector_save_avx;
		brief.load = vector_load_avx;
		break;
	case 0xe7:
		if (!(b >> 30 & 1)) /* masks of 64 bits: AVX512BW */
			break;
		brief.save = vector_save_avx512;
		brief.load = vector_load_avx512;
		brief.size = VS_SIZE;
	}
}

void vector_init(struct carrier *ca)
{
	measure();
	slab_init(&ca->vectors, (co_vector_size + 63) & ~63UL); /* XSAVE needs it aligned */
	slab_init(&ca->vectors_brief, brief.size);
	for (int i = 0; i < VECTOR_KINDS; i++)
		slab_init(&ca->vectors_packed[i], packed_size[i]);
}

static void xsave(void *to)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(to), "a"((uint32_t)co_vector_mask),
			   "d"((uint32_t)(co_vector_mask >> 32))
			 : "memory");
}

static void xrstor(const void *from)
{
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(from), "a"((uint32_t)co_vector_mask),
			   "d"((uint32_t)(co_vector_mask >> 32))
			 : "memory");
}

static struct slab *slab_of_brief(const struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	return co->packed ? &ca->vectors_packed[co->packed - 1] : &ca->vectors_brief;
}

void co_drop_vector(struct coroutine *co)
{
	if (co->vector)
		slab_free(&this_carrier()->vectors, co->vector);
	if (co->vector_brief)
		slab_free(slab_of_brief(co), co->vector_brief);
	co->vector = co->vector_brief = NULL;
	co->packed = 0;
}

static const struct vector_small *brief_of(const struct coroutine *co)
{
	if (!co->packed)
		return co->vector_brief;
	vector_unpack(&unpacked, co->vector_brief, brief.size);
	return &unpacked;
}

/* What was saved to `unpacked`, in the smallest of its forms. */
static bool keep_packed(struct coroutine *co)
{
	uint64_t present[3];
	uint8_t kind = 0;
	size_t need = sizeof(struct vector_packed);

	need += 8 * vector_measure(&unpacked, brief.size, present);
	while (kind < VECTOR_KINDS && packed_size[kind] < need)
		kind++;
	co->packed = kind < VECTOR_KINDS ? kind + 1 : 0;
	co->vector_brief = slab_alloc_dirty(slab_of_brief(co));
	if (co->vector_brief && co->packed)
		vector_pack(co->vector_brief, &unpacked, present);
	else if (co->vector_brief)
		memcpy(co->vector_brief, &unpacked, brief.size);
	return co->vector_brief;
}

static bool save_brief(struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	if (!brief.save || !vector_x87_empty())
		return false;
	if (ca->alive >= CROWD) {
		if (!brief.save(&unpacked))
			return false;
		if (keep_packed(co))
			return true;
		co->packed = 0;
		brief.load(&unpacked); /* saving has cost some of the registers */
		return false;
	}
	co->vector_brief = slab_alloc_dirty(&ca->vectors_brief);
	if (!co->vector_brief)
		return false;
	if (brief.save(co->vector_brief))
		return true;
	slab_free(&ca->vectors_brief, co->vector_brief);
	co->vector_brief = NULL;
	return false;
}

void co_vector_image(struct coroutine *co, void *to)
{
	const struct vector_small *from;
	char *image = to;

	co_save_vector(co);
	if (co->vector) {
		memcpy(image, co->vector, co_vector_size);
		return;
	}
	memset(image, 0, co_vector_size);
	memcpy(image, &co->fcw, sizeof(co->fcw));
	memcpy(image + 24, &co->mxcsr, sizeof(co->mxcsr));
	image[512] = 3; /* XSTATE_BV: x87 and SSE, for the control words */
	from = brief_of(co);
	if (!from)
		return;
	memcpy(image + 160, from->xmm, sizeof(from->xmm));
	if (brief.size == VS_MASKS)
		return;
	image[512] = (char)(3 | 1 << 5 | 1 << 7);
	memcpy(image + brief.masks_at, from->mask, sizeof(from->mask));
	memcpy(image + brief.zmm16_at, from->zmm16, sizeof(from->zmm16));
}

void *co_vector_alloc(void)
{
	return slab_alloc(&this_carrier()->vectors);
}

/*
 * Takes the vector registers out of the processor. Under memory exhaustion there is nothing left
 * to try: a thread that lost its registers cannot go on.
 */
void vector_save(struct carrier *ca, struct coroutine *co)
{
	if (!co->vector && save_brief(co))
		return;
	if (!co->vector)
		co->vector = slab_alloc(&ca->vectors);
	CHECK(co->vector);
	xsave(co->vector);
	/* Whoever is next may load the brief form: no register of this one's stack must be left. */
	__asm__ volatile("fninit");
	ca->mxcsr = CONTROL_LOST;
}

void co_save_vector(struct coroutine *co)
{
	vector_leave(this_carrier(), co);
}

void vector_load(struct coroutine *co)
{
	if (co->vector) {
		xrstor(co->vector);
		co_drop_vector(co);
	} else if (co->fresh_vector) {
		xrstor(&initial_vector);
	} else {
		if (co->vector_brief) {
			brief.load(brief_of(co));
			co_drop_vector(co);
		}
		/* Loading either may be slow, and reading them is: see vector_enter. */
		__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(co->mxcsr), "m"(co->fcw));
	}
	co->fresh_vector = false;
}
