/* SPDX-License-Identifier: MIT */
/* Vector state in brief: see vector_x86_64.S. */
#ifndef COPATCH_VECTOR_H
#define COPATCH_VECTOR_H

#define VS_XMM     0
#define VS_SCRATCH 0 /* while it is not known yet whether the brief form will do */
#define VS_MASKS   256
#define VS_ZMM16   320
#define VS_SIZE    1344

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

/* The control words that a program begins with. */
#define VECTOR_MXCSR 0x1f80
#define VECTOR_FCW   0x37f

/* The first part is all that there is without AVX-512. */
struct vector_small {
	uint8_t xmm[16][16];
	uint64_t mask[8];
	uint8_t zmm16[16][64];
};

/*
 * The same without what is zero, for processes of many threads. Mostly it is half of a handful of
 * registers that a string function has left behind.
 */
#define VECTOR_KINDS 4 /* sizes of packed ones */

struct vector_packed {
	uint64_t present[3]; /* a bit for each word of the vector_small */
	uint64_t word[];
};

/* Words in `from`, and which: what is to be kept. */
unsigned vector_measure(const struct vector_small *from, uint32_t size, uint64_t present[3]);
void vector_pack(struct vector_packed *to, const struct vector_small *from,
		 const uint64_t present[3]);
void vector_unpack(struct vector_small *to, const struct vector_packed *from, uint32_t size);

bool vector_x87_empty(void);
bool vector_save_sse(struct vector_small *to);
bool vector_save_avx(struct vector_small *to);
bool vector_save_avx512(struct vector_small *to);
void vector_load_sse(const struct vector_small *from);
void vector_load_avx(const struct vector_small *from);
void vector_load_avx512(const struct vector_small *from);
#endif

#endif
