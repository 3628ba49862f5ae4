/* SPDX-License-Identifier: MIT */
/* The one system call after which two processes stand on the same stack. */
#include <asm/unistd.h>

	.text

/*
 * long proc_vfork_clone(flags, parent_tid, child_tid, tls, void (*child)(void *), void *arg)
 * The parent stands still until the child has left this stack for good: whatever the child
 * pushes lies below the return address.
 */
	.globl	proc_vfork_clone
	.hidden	proc_vfork_clone
	.type	proc_vfork_clone, @function
proc_vfork_clone:
	.cfi_startproc
	push	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_offset r12, -16
	push	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_offset r13, -24
	mov	%r8, %r12
	mov	%r9, %r13
	mov	%rdx, %r10	/* child_tid */
	mov	%rcx, %r8	/* tls */
	mov	%rsi, %rdx	/* parent_tid */
	xor	%esi, %esi	/* the same stack */
	mov	$__NR_clone, %eax
	syscall
	test	%rax, %rax
	jz	1f
	pop	%r13
	.cfi_remember_state
	.cfi_adjust_cfa_offset -8
	.cfi_restore r13
	pop	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore r12
	ret
1:
	.cfi_restore_state
	mov	%r13, %rdi
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	*%r12
	ud2
	.cfi_endproc
	.size	proc_vfork_clone, . - proc_vfork_clone

	.section .note.GNU-stack, "", @progbits
