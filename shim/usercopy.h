/* SPDX-License-Identifier: MIT */
/*
 * Access to the program's memory. Where the kernel would answer EFAULT, so do these: the handler
 * of SIGSEGV and SIGBUS leads a fault between the labels back to `user_fault`.
 */
#ifndef COPATCH_USERCOPY_H
#define COPATCH_USERCOPY_H

#include <stdint.h>

/* 0 or -EFAULT. */
long user_copy(void *to, const void *from, uint64_t n) __attribute__((warn_unused_result));
long user_load32(uint32_t *to, const void *from) __attribute__((warn_unused_result));
/* Stores `val` at `at` if *old is there; *old becomes what was there. */
long user_cas32(void *at, uint32_t *old, uint32_t val) __attribute__((warn_unused_result));

extern const char user_begin[], user_end[], user_fault[];

#define user_get(var, from) user_copy(&(var), (const void *)(from), sizeof(var))
#define user_put(to, var)   user_copy((void *)(to), &(var), sizeof(var))

#endif
