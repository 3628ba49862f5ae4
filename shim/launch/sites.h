/* SPDX-License-Identifier: MIT */
/* System calls in a file's text. */
#ifndef COPATCH_LAUNCH_SITES_H
#define COPATCH_LAUNCH_SITES_H

#include "image.h"

struct sites {
	unsigned found;   /* `syscall` instructions */
	unsigned movable; /* those of them that the side door can lead around the trap */
	unsigned loose;   /* what looks like one, but in no function that is known */
	bool cut;         /* there may be more: there was too much to look at */
};

/* Looks for the decoder. False: every site is a loose one. */
bool sites_init(void) __attribute__((warn_unused_result));

/* About so many nanoseconds of work; less each time. */
#define SITES_BUDGET 4000000000L
void sites_count(const struct image *image, int64_t *budget, struct sites *sites);

#endif
