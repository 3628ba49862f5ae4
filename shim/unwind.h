/* SPDX-License-Identifier: MIT */
/* The C stack of a thread that stands still, from the unwind tables in memory. No libc. */
#ifndef COPATCH_UNWIND_H
#define COPATCH_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNWIND_REGS 17 /* as DWARF numbers them for x86-64; 16 is the return address */
#define UNWIND_SP   7
#define UNWIND_IP   16

struct unwind {
	uint64_t reg[UNWIND_REGS];
	bool exact; /* `ip` is where it stands, not where it will return to */
};

/* Where an object file is in memory. */
struct unwind_object {
	char path[256]; /* empty: none */
	uint64_t bias;  /* what is added to the addresses in the file */
	uint64_t hdr;   /* its .eh_frame_hdr, 0 none */
};

/* Reads our own memory, whatever is there. False: not all of it can be read. */
bool unwind_read(uint64_t from, void *to, size_t n) __attribute__((warn_unused_result));
/* The object that `ip` is in. */
bool unwind_object(uint64_t ip, struct unwind_object *o) __attribute__((warn_unused_result));
/* To the caller. False: this was the last one, or the tables do not say. */
bool unwind_step(struct unwind *u) __attribute__((warn_unused_result));
/* The name of the function that `at` of the file at `path` is in, and how far; false: none. */
bool unwind_name(const char *path, uint64_t at, char name[64], uint64_t *offset)
	__attribute__((warn_unused_result));

#endif
