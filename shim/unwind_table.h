/* SPDX-License-Identifier: MIT */
/* The entries of .eh_frame: where they are, and bytes of them that cannot be overrun. */
#ifndef COPATCH_UNWIND_TABLE_H
#define COPATCH_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAX 1024 /* of a CIE or FDE; glibc's longest have a few hundred bytes */

struct bytes {
	const uint8_t *at, *end;
	uint64_t address; /* of `begin` in memory, */
	const uint8_t *begin;
	bool bad;
};

struct frame {
	uint8_t cie_bytes[FRAME_MAX], fde_bytes[FRAME_MAX];
	struct bytes cie, fde; /* at their instructions */
	uint64_t code_align, begin;
	int64_t data_align;
	uint8_t encoding;
	bool augmented, signal;
};

/* Zero, and `bad`, once there are no more. */
uint64_t table_take(struct bytes *b, size_t n);
uint64_t table_uleb(struct bytes *b);
int64_t table_sleb(struct bytes *b);
uint64_t table_encoded(struct bytes *b, uint8_t encoding);

/* The entry for `ip`, by the .eh_frame_hdr at `hdr`. */
bool table_find(struct frame *f, uint64_t hdr, uint64_t ip) __attribute__((warn_unused_result));

#endif
