/* SPDX-License-Identifier: MIT */
/* What C and switch_x86_64.S share: the saved registers and the ways into and out of a context. */
#ifndef COPATCH_SWITCH_H
#define COPATCH_SWITCH_H

/* Offsets in struct co_regs and struct carrier, for the assembler; checked in carrier.c. */
#define R_R8    0
#define R_R9    8
#define R_R10   16
#define R_R11   24
#define R_R12   32
#define R_R13   40
#define R_R14   48
#define R_R15   56
#define R_RDI   64
#define R_RSI   72
#define R_RBP   80
#define R_RBX   88
#define R_RDX   96
#define R_RAX   104
#define R_RCX   112
#define R_RSP   120
#define R_RIP   128
#define R_FLAGS 136

#define CA_CURRENT    8
#define CA_STACK      16
#define CA_EXIT_RIP   24
#define CA_ATTENTION  32
#define CA_FOREIGN    36
#define CA_SIDE       40
#define CA_SIDE_DEAD  48
#define CA_SIDE_C     56
#define CA_BUCKETS    64
#define CA_TICKED     72
#define CA_TICKS      76
#define CA_SHORT_OVER 80
#define CA_ACTED      81

#define CO_HOG    221
#define CO_CALLED 225

#define TURN_CALLS 64 /* see turn.c */
/* Which wait queue a key belongs to: see waitq.c. */
#define WAITQ_PAGE  12
#define WAITQ_HASH  0x9e3779b97f4a7c15
#define WAITQ_SHIFT 48 /* 2^16 buckets */
#define WAITQ_GRAIN 4

/* How much of a context must survive a switch. */
#define ABI_C       0 /* it called a function: the vector registers are dead */
#define ABI_SYSCALL 1 /* it stands at a system call or anywhere: all of them live */

#ifdef __ASSEMBLER__
/* clang-format off */
/* What C keeps, and what the kernel leaves in %rcx and %r11: the rest of a whole context. */
	.macro	save_rest
	mov	%rbx, R_RBX(%r11)
	mov	%rbp, R_RBP(%r11)
	mov	%r12, R_R12(%r11)
	mov	%r13, R_R13(%r11)
	mov	%r14, R_R14(%r11)
	mov	%r15, R_R15(%r11)
	mov	R_RIP(%r11), %rcx
	mov	%rcx, R_RCX(%r11)
	mov	R_FLAGS(%r11), %rcx
	mov	%rcx, R_R11(%r11)
	.endm
/* clang-format on */
#else
#include <stdint.h>

struct coroutine;

/* In the order of the kernel's struct sigcontext, so that signal frames copy in one go. */
struct co_regs {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t di, si, bp, bx, dx, ax, cx, sp, ip, flags; /* flags 0: dead */
};

/*
 * The front door: number and six arguments, in C's calling convention. Runs sched_hooks.call on
 * the carrier's stack and returns its result, perhaps after other coroutines have run.
 */
long co_syscall(long nr, long a, long b, long c, long d, long e, long f);

/* Goes on with the program text of the current coroutine; all of its registers are restored. */
_Noreturn void co_resume(void);

/* Where a signal handler sends program text whose registers it has saved, by its frame's %rip. */
extern const char carrier_interrupted_entry[];

/* Continues at `fn` on the empty stack of the carrier. */
_Noreturn void carrier_stack_call(void (*fn)(void), uint64_t stack_top);

/* Between these labels the registers of the program are being loaded: go back to the start. */
extern const char co_front_exit[], co_front_exit_end[], co_resume_exit[], co_resume_exit_end[];
extern const char co_continue[], co_continue_end[];
#endif

#endif
