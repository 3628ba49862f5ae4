/* SPDX-License-Identifier: MIT */
/* The same with tcmalloc. */
/* LIBS: -l:libtcmalloc_minimal.so.4 */
#define ALLOCATOR "libtcmalloc"
#include "near_jemalloc.c"
