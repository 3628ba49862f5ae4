/* SPDX-License-Identifier: MIT */
/* Vector state of threads that wait in a crowd: the words that are not zero. */
#include <string.h>

#include "vector.h"

unsigned vector_measure(const struct vector_small *from, uint32_t size, uint64_t present[3])
{
	const uint64_t *word = (const uint64_t *)from;
	unsigned n = 0;

	present[0] = present[1] = present[2] = 0;
	for (unsigned i = 0; i < size / 8; i++) {
		present[i / 64] |= (uint64_t) !!word[i] << i % 64;
		n += !!word[i];
	}
	return n;
}

void vector_pack(struct vector_packed *to, const struct vector_small *from,
		 const uint64_t present[3])
{
	const uint64_t *word = (const uint64_t *)from;
	uint64_t *out = to->word;

	for (unsigned k = 0; k < 3; k++) {
		to->present[k] = present[k];
		for (uint64_t set = present[k]; set; set &= set - 1)
			*out++ = word[k * 64 + __builtin_ctzl(set)];
	}
}

void vector_unpack(struct vector_small *to, const struct vector_packed *from, uint32_t size)
{
	const uint64_t *in = from->word;
	uint64_t *word = (uint64_t *)to;

	memset(to, 0, size);
	for (unsigned k = 0; k < 3; k++)
		for (uint64_t set = from->present[k]; set; set &= set - 1)
			word[k * 64 + __builtin_ctzl(set)] = *in++;
}
