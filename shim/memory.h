/* SPDX-License-Identifier: MIT */
/* Which of the program's memory other processes can see. */
#ifndef COPATCH_MEMORY_H
#define COPATCH_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

int memory_init(void) __attribute__((warn_unused_result));
bool memory_shared(uint64_t address);
/* A mapping that was there before we were. */
void memory_add_shared(uint64_t begin, uint64_t end);

#endif
