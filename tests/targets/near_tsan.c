/* SPDX-License-Identifier: MIT */
/* The same built with ThreadSanitizer, without what only the other one finds. */
/* LIBS: -fsanitize=thread */
#define NO_FAULTS
#include "near_asan.c"
