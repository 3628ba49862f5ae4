/* SPDX-License-Identifier: MIT */
/*
 * Stacks of threads, as glibc asks for them: mapped without access and with MAP_STACK, then made
 * accessible but for a guard at the lower end. Natively each is two of the process's mappings, of
 * which there may be some 65,000. Here stacks of a size lie side by side in large mappings, their
 * guards are marks in the page table (MADV_GUARD_INSTALL, Linux 6.13), and freed ones are kept.
 */
#ifndef COPATCH_STACKS_H
#define COPATCH_STACKS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A stack of `size` bytes, 0: ask the kernel. `caller` tells callers of mmap apart: whoever has
 * mapped stacks of threads before gets used ones, of which only the upper end is zeroed.
 */
uint64_t stacks_map(uint64_t size, uint64_t caller);
/* False: nothing is known of it, it is the kernel's business. */
bool stacks_unmap(uint64_t at, uint64_t size);
/* The answer to mprotect, 1: ask the kernel. */
int stacks_protect(uint64_t at, uint64_t size, int prot);
/* A thread begins with `sp`. */
void stacks_begin(uint64_t sp);
/* The thread on `sp` ends, after at most `counts` time-stamp counts in its whole life. */
void stacks_end(uint64_t sp, uint64_t counts);
/* Whether madvise(MADV_DONTNEED) there would give next to nothing back: see stacks.c. */
bool stacks_bare(uint64_t at, uint64_t size, uint64_t sp, uint64_t counts);
/* The kernel is about to change mappings there. */
void stacks_disturb(uint64_t at, uint64_t size);
/* The kernel has unmapped or replaced these. */
void stacks_forget(uint64_t at, uint64_t size);
/* Hand out no more, and leave nothing mapped that is not in use. */
void stacks_stop(void);
bool stacks_guards(uint64_t address);

#endif
