/* SPDX-License-Identifier: MIT */
/* The same built with UndefinedBehaviorSanitizer. */
/* LIBS: -fsanitize=undefined */
#define NO_FAULTS
#include "near_asan.c"
