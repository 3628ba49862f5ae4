/* SPDX-License-Identifier: MIT */
/* How the library came into the process. */
#ifndef COPATCH_PRELOADED_H
#define COPATCH_PRELOADED_H

#include <stdbool.h>

/* By LD_PRELOAD or the like, so that everything is to be patched; or else as -lcopatch. */
bool preloaded(void);

#endif
