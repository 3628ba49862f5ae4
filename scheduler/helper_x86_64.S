/* SPDX-License-Identifier: MIT */
/* Birth of a helper, its interruptible system call, and the return from real signal handlers. */
#include "helper.h"
#include <asm/unistd.h>

	.text

/* long interruptible_syscall(long nr, const long arg[6], const volatile uint32_t *stop) */
	.globl	interruptible_syscall, interruptible_begin, interruptible_end, interruptible_out
	.hidden	interruptible_syscall, interruptible_begin, interruptible_end, interruptible_out
	.type	interruptible_syscall, @function
interruptible_syscall:
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_offset rbx, -16
	mov	%rdx, %rbx
	mov	%rdi, %rax
	mov	%rsi, %r11
	mov	0(%r11), %rdi
	mov	8(%r11), %rsi
	mov	16(%r11), %rdx
	mov	24(%r11), %r10
	mov	32(%r11), %r8
	mov	40(%r11), %r9
	/* The handler moves %rip on from any place up to the instruction itself. */
interruptible_begin:
	cmpl	$0, (%rbx)
	jne	interruptible_out
	syscall
interruptible_end:
	pop	%rbx
	.cfi_remember_state
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_restore_state
interruptible_out:
	mov	$NOT_BEGUN, %rax
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	ret
	.cfi_endproc
	.size	interruptible_syscall, . - interruptible_syscall

/* long helper_clone(long flags, void *stack_top, void (*fn)(arg), arg, child_tid) */
	.globl	helper_clone
	.hidden	helper_clone
	.type	helper_clone, @function
helper_clone:
	.cfi_startproc
	mov	%r8, %r10
	mov	%rdx, %r8
	mov	%rcx, %r9
	xor	%edx, %edx
	mov	$__NR_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	ret
1:
	.cfi_undefined rip
	xor	%ebp, %ebp
	mov	%r9, %rdi
	call	*%r8
	ud2
	.cfi_endproc
	.size	helper_clone, . - helper_clone

/* Register number `reg` of DWARF is saved `at` bytes above %rsp; 64 <= at < 8192. */
	.macro	saved reg, at
	.cfi_escape 0x10, \reg, 0x03, 0x77, (\at & 0x7f) | 0x80, \at >> 7
	.endm

/*
 * The nine bytes by which libgcc and gdb know a signal frame, and for others what they say: the
 * registers are in the ucontext_t at %rsp. The unwind information begins a byte early: the
 * return address of a handler is looked up as that of a call.
 */
	.globl	signal_restorer
	.hidden	signal_restorer
	.type	signal_restorer, @function
	.cfi_startproc
	.cfi_signal_frame
	.cfi_escape 0x0f, 0x04, 0x77, 0xa0, 0x01, 0x06	/* CFA = *(rsp + 160) */
	.cfi_escape 0x10, 0x08, 0x02, 0x77, 0x28	/* r8 at 40, in one byte */
	.cfi_escape 0x10, 0x09, 0x02, 0x77, 0x30
	.cfi_escape 0x10, 0x0a, 0x02, 0x77, 0x38
	saved	11, 64
	saved	12, 72
	saved	13, 80
	saved	14, 88
	saved	15, 96
	saved	5, 104	/* rdi */
	saved	4, 112	/* rsi */
	saved	6, 120	/* rbp */
	saved	3, 128	/* rbx */
	saved	1, 136	/* rdx */
	saved	0, 144	/* rax */
	saved	2, 152	/* rcx */
	saved	16, 168	/* rip */
	nop
signal_restorer:
	mov	$__NR_rt_sigreturn, %rax
	syscall
	.cfi_endproc
	.size	signal_restorer, . - signal_restorer

	.section .note.GNU-stack, "", @progbits
