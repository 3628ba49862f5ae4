/* SPDX-License-Identifier: MIT */
/*
 * Inline system calls: the only C file that holds the instruction. They return what the kernel
 * returns, -errno on failure, and touch neither libc nor errno.
 */
#ifndef COPATCH_RAW_H
#define COPATCH_RAW_H

#include <asm/unistd.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline long raw6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define raw0(nr)                raw6(nr, 0, 0, 0, 0, 0, 0)
#define raw1(nr, a)             raw6(nr, (long)(a), 0, 0, 0, 0, 0)
#define raw2(nr, a, b)          raw6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define raw3(nr, a, b, c)       raw6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define raw4(nr, a, b, c, d)    raw6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define raw5(nr, a, b, c, d, e) raw6(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)

static inline bool raw_failed(long ret)
{
	return (unsigned long)ret >= (unsigned long)-4095L;
}

#endif
