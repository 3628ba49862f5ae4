/* SPDX-License-Identifier: MIT */
/* How many threads there may be at a time. */
#ifndef COPATCH_CROWD_H
#define COPATCH_CROWD_H

#include <stdbool.h>

/* 0: no limit but memory. */
void crowd_limit(unsigned long n);
/* Whether there may be one more beside so many. */
bool crowd_admits(unsigned long alive);

#endif
