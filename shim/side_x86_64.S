/* SPDX-License-Identifier: MIT */
/* The side door: stubs come here instead of making a system call. */
#include <asm/unistd.h>

#include "../scheduler/switch.h"
#include "report.h"

#define PATCH_FUTEX_WAKE 129 /* FUTEX_WAKE_PRIVATE; its header is for C only */

	.text

/*
 * in:  as at a `syscall` instruction, %rcx the address behind one; %gs:CA_CURRENT a coroutine
 *
 * The program's stack is not touched: a function without a frame keeps its variables below %rsp.
 *
 * A call that only wakes others mostly goes on at once: what C keeps stays where it is then.
 */
	.macro	side name abi flags=1 nobody=0
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.cfi_startproc
	.cfi_undefined rip
	.if	\nobody
	cmp	$__NR_futex, %eax
	jne	1f
	lea	1f(%rip), %r11
	cmp	$PATCH_FUTEX_WAKE, %esi
	je	side_nobody
1:
	.endif
	mov	%gs:CA_CURRENT, %r11
	mov	%rcx, R_RIP(%r11)
	mov	%rsp, R_RSP(%r11)
	mov	%gs:CA_STACK, %rsp
	.if	!\flags
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
	jne	co_continue
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
	/* In libc, where the flags are dead: here it lets go of locks. */
	side	side_entry_c, ABI_SYSCALL, 0, 1
	/* Where the vector registers are dead too. Conditions and semaphores know who waits. */
	side	side_entry_dead, ABI_C, 0

/*
 * A private FUTEX_WAKE. libc makes many for nobody: who comes out of pthread_cond_wait leaves the
 * mutex marked as contended. Such a one is answered here, where nothing else is to be looked
 * after; see turn_goes_on. No context is needed: a signal is noted while we are here.
 *
 * in:  as above, and %r11 where to go on if it is not
 */
	.globl	side_again, side_answered, side_answered_end
	.hidden	side_again, side_answered, side_answered_end
	.type	side_nobody, @function
side_nobody:
	.cfi_startproc
	.cfi_undefined rip
	mov	%r11, %gs:CA_EXIT_RIP
	test	$3, %edi
	jne	side_again
	cmpl	$0, %gs:CA_TICKED
	jne	side_again
	cmpl	$TURN_CALLS - 1, %gs:CA_TICKS
	jae	side_again
	mov	%gs:CA_CURRENT, %rax
	cmpb	$0, CO_HOG(%rax)
	jne	side_again
	cmpb	$0, %gs:CA_SHORT_OVER
	jne	side_again
	cmpq	$0, %gs:CA_BUCKETS
	je	side_again
	movb	$1, CO_CALLED(%rax)
	movb	$1, %gs:CA_ACTED
	mov	%rdi, %rax		/* bucket_of in waitq.c */
	shr	$WAITQ_PAGE, %rax
	movabs	$WAITQ_HASH, %r11
	imul	%r11, %rax
	shr	$WAITQ_SHIFT, %rax
	mov	%edi, %r11d
	shr	$WAITQ_GRAIN, %r11d
	add	%r11d, %eax
	movzwl	%ax, %eax
	shl	$4, %eax
	add	%gs:CA_BUCKETS, %rax
	cmpq	$0, (%rax)
	je	1f
	cmp	%rax, (%rax)
	je	1f
side_again:
	mov	$__NR_futex, %eax
	jmp	*%gs:CA_EXIT_RIP
1:
	incl	%gs:CA_TICKS
	incq	report + REPORT_SIDE(%rip)
	/* As at co_resume_exit: a signal that comes from here on must not wait for the next call. */
side_answered:
	cmpl	$0, %gs:CA_ATTENTION
	jne	side_again
	xor	%eax, %eax
	jmp	*%rcx
side_answered_end:
	.cfi_endproc
	.size	side_nobody, . - side_nobody

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
