/* SPDX-License-Identifier: MIT */
/* Lines on stderr without libc: "copatch: " and the text, at the level that COPATCH_LOG allows. */
#ifndef COPATCH_LOG_H
#define COPATCH_LOG_H

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_DEBUG };

extern enum log_level log_level;

/* Knows %s, %d (long), %u (unsigned long), %x and %%. */
void log_line(enum log_level level, const char *format, ...);
/* A fault of our own making, `at` bytes into our text. */
void log_fault(int sig, uint64_t at, uint64_t address);

#endif
