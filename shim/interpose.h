/* SPDX-License-Identifier: MIT */
/* The front door, as seen from start-up. */
#ifndef COPATCH_INTERPOSE_H
#define COPATCH_INTERPOSE_H

#include <stdbool.h>

/* Before, the functions are what libc's are; afterwards calls go to the scheduler. */
extern bool front_open;

/* Looks up who else defines these functions behind us; what `is_libc` says is left out. */
void front_resolve(bool (*is_libc)(const void *));

#endif
