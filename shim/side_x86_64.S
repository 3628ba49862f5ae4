/* SPDX-License-Identifier: MIT */
/* The side door: stubs come here instead of making a system call. */
#include <asm/unistd.h>

#include "../scheduler/switch.h"

#define PATCH_FUTEX_WAKE 129 /* FUTEX_WAKE_PRIVATE; its header is for C only */

	.text

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

/*
 * in:  as at a `syscall` instruction, %rcx the address behind one; %gs:CA_CURRENT a coroutine
 *
 * The program's stack is not touched: a function without a frame keeps its variables below %rsp.
 *
 * A call that only wakes others mostly goes on at once: what C keeps stays where it is then.
 */
	.macro	side name abi
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.cfi_startproc
	.cfi_undefined rip
	mov	%gs:CA_CURRENT, %r11
	mov	%rcx, R_RIP(%r11)
	mov	%rsp, R_RSP(%r11)
	mov	%gs:CA_STACK, %rsp
	.if	\abi == ABI_C
	movq	$0, R_FLAGS(%r11)
	.else
	pushfq
	pop	%rcx
	mov	%rcx, R_FLAGS(%r11)
	test	$0x40400, %ecx		/* alignment checks, see co_resume; direction */
	je	1f
	pushq	$0x202
	popfq
1:
	.endif
	mov	%rax, R_RAX(%r11)
	mov	%rdi, R_RDI(%r11)
	mov	%rsi, R_RSI(%r11)
	mov	%rdx, R_RDX(%r11)
	mov	%r10, R_R10(%r11)
	mov	%r8, R_R8(%r11)
	mov	%r9, R_R9(%r11)
	cmp	$__NR_futex, %eax
	jne	2f
	cmp	$PATCH_FUTEX_WAKE, %esi
	jne	2f
	mov	%r11, %rdi
	mov	$\abi, %esi
	call	side_wakes
	test	%al, %al
	jne	co_return
	mov	%gs:CA_CURRENT, %r11
	save_rest
	mov	%r11, %rdi
	call	carrier_enter_ended
	jmp	co_resume
2:
	save_rest
	mov	%r11, %rdi
	mov	$\abi, %esi
	call	side_enter
	jmp	co_resume
	.cfi_endproc
	.size	\name, . - \name
	.endm

	side	side_entry, ABI_SYSCALL
	/* In C, and the vector registers are dead there; so are the flags, at every call of C's. */
	side	side_entry_dead, ABI_C

/* In a child of vfork nothing is dispatched: the instruction in front of %rcx does it. */
	.globl	side_entry_foreign
	.hidden	side_entry_foreign
	.type	side_entry_foreign, @function
side_entry_foreign:
	.cfi_startproc
	.cfi_undefined rip
	lea	-2(%rcx), %rcx
	jmp	*%rcx
	.cfi_endproc
	.size	side_entry_foreign, . - side_entry_foreign

	.section .note.GNU-stack, "", @progbits
