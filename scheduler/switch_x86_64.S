/* SPDX-License-Identifier: MIT */
/* Into a coroutine's context and out of it. %gs points at the carrier, always. */
#include "switch.h"

	.text

/*
 * long co_syscall(long nr, a, b, c, d, e, long f on the stack)
 * in:  C's calling convention; %gs:0 the carrier, or a block marked foreign
 * out: %rax; the registers that C preserves are preserved
 *
 * All argument registers are saved too: a call that is to be made again after a signal handler
 * starts over at this entry, with %rsp at the return address.
 */
	.globl	co_syscall
	.hidden	co_syscall
	.type	co_syscall, @function
co_syscall:
	.cfi_startproc
	cmpl	$0, %gs:CA_FOREIGN
	jne	.Lnative
	mov	%gs:CA_CURRENT, %rax
	mov	%rdi, R_RDI(%rax)
	mov	%rsi, R_RSI(%rax)
	mov	%rdx, R_RDX(%rax)
	mov	%rcx, R_RCX(%rax)
	mov	%r8, R_R8(%rax)
	mov	%r9, R_R9(%rax)
	mov	%rbx, R_RBX(%rax)
	mov	%rbp, R_RBP(%rax)
	mov	%r12, R_R12(%rax)
	mov	%r13, R_R13(%rax)
	mov	%r14, R_R14(%rax)
	mov	%r15, R_R15(%rax)
	mov	(%rsp), %r10
	mov	%r10, R_RIP(%rax)
	lea	8(%rsp), %r10
	mov	%r10, R_RSP(%rax)
	movq	$0, R_FLAGS(%rax)	/* not those of an earlier door */
	mov	%rax, %rbx
	.cfi_remember_state
	/* On the carrier's stack: CFA = *(rbx + R_RSP), rbx = *(rbx + R_RBX). */
	.cfi_escape 0x10, 0x03, 0x03, 0x73, 0xd8, 0x00
	.cfi_escape 0x0f, 0x04, 0x73, 0xf8, 0x00, 0x06
	mov	%gs:CA_STACK, %rsp
	mov	%rax, %rdi
	call	carrier_enter_front
	test	%al, %al
	je	co_resume_exit
	mov	R_RAX(%rbx), %rax
	mov	R_RBX(%rbx), %rbx
	.cfi_restore_state
	/*
	 * No way to describe the next few: a debugger that stops here sees a wrong caller. The
	 * caller expects `ret`, and so does the processor.
	 */
	.globl	co_front_exit
	.hidden	co_front_exit
co_front_exit:
	cmpl	$0, %gs:CA_ATTENTION
	jne	.Lfront_slow
	mov	%gs:CA_CURRENT, %rcx
	mov	R_RSP(%rcx), %rsp
	mov	R_RIP(%rcx), %rcx
	cmp	%rcx, -8(%rsp)
	lea	-8(%rsp), %rsp
	jne	.Lfront_elsewhere
	ret
.Lfront_elsewhere:
	lea	8(%rsp), %rsp
	jmp	*%rcx
	.globl	co_front_exit_end
	.hidden	co_front_exit_end
co_front_exit_end:
.Lfront_slow:
	mov	%gs:CA_STACK, %rsp
	jmp	.Lattend
.Lnative:
	mov	%rdi, %rax
	mov	%rsi, %rdi
	mov	%rdx, %rsi
	mov	%rcx, %rdx
	mov	%r8, %r10
	mov	%r9, %r8
	mov	8(%rsp), %r9
	syscall
	ret
	.cfi_endproc
	.size	co_syscall, . - co_syscall

/*
 * _Noreturn void co_resume(void)
 * in:  the current coroutine's registers in its struct, its vector state in the processor, its
 *      FS base loaded. Flags 0: C holds nothing in them there. Loading them takes long, and ours
 *      are plain: a door that finds alignment checks switched on, the only flag that would stay,
 *      switches them off. (Not the front door: a program that has them on cannot call libc.)
 *
 * A signal that arrives between the look at `attention` and the last jump would be noted too
 * late: the handler sets %rip back to co_resume_exit, from any instruction in between.
 */
	.globl	co_resume
	.hidden	co_resume
	.type	co_resume, @function
co_resume:
	.cfi_startproc
	.cfi_undefined rip
	.globl	co_resume_exit
	.hidden	co_resume_exit
co_resume_exit:
	mov	%gs:CA_STACK, %rsp
	cmpl	$0, %gs:CA_ATTENTION
	jne	.Lattend
	mov	%gs:CA_CURRENT, %rax
	mov	R_RIP(%rax), %rcx
	mov	%rcx, %gs:CA_EXIT_RIP
	mov	R_R8(%rax), %r8
	mov	R_R9(%rax), %r9
	mov	R_R10(%rax), %r10
	mov	R_R11(%rax), %r11
	mov	R_R12(%rax), %r12
	mov	R_R13(%rax), %r13
	mov	R_R14(%rax), %r14
	mov	R_R15(%rax), %r15
	mov	R_RDI(%rax), %rdi
	mov	R_RSI(%rax), %rsi
	mov	R_RBP(%rax), %rbp
	mov	R_RBX(%rax), %rbx
	mov	R_RDX(%rax), %rdx
	mov	R_RCX(%rax), %rcx
	cmpq	$0, R_FLAGS(%rax)
	je	1f
	pushq	R_FLAGS(%rax)
	popfq
1:
	mov	R_RSP(%rax), %rsp
	mov	R_RAX(%rax), %rax
	jmp	*%gs:CA_EXIT_RIP
	.globl	co_resume_exit_end
	.hidden	co_resume_exit_end
co_resume_exit_end:
.Lattend:
	call	carrier_interrupted
	jmp	co_resume_exit
	/* Where a signal handler sends program text whose registers it has saved. */
	.globl	carrier_interrupted_entry
	.hidden	carrier_interrupted_entry
carrier_interrupted_entry:
	mov	%gs:CA_STACK, %rsp
	cld
	jmp	.Lattend
	.cfi_endproc
	.size	co_resume, . - co_resume

/*
 * As co_resume, for the coroutine that made the call: the registers that C preserves still hold
 * what they held then, and %rcx is as the kernel leaves it.
 */
	.globl	co_continue
	.hidden	co_continue
	.type	co_continue, @function
co_continue:
	.cfi_startproc
	.cfi_undefined rip
	mov	%gs:CA_STACK, %rsp
	mov	%gs:CA_CURRENT, %r11
	cmpl	$0, %gs:CA_ATTENTION
	jne	.Lreturn_slow
	mov	R_RDI(%r11), %rdi
	mov	R_RSI(%r11), %rsi
	mov	R_RDX(%r11), %rdx
	mov	R_R8(%r11), %r8
	mov	R_R9(%r11), %r9
	mov	R_R10(%r11), %r10
	mov	R_RAX(%r11), %rax
	mov	R_RIP(%r11), %rcx
	cmpq	$0, R_FLAGS(%r11)
	je	1f
	pushq	R_FLAGS(%r11)
	popfq
1:
	mov	R_RSP(%r11), %rsp
	mov	R_FLAGS(%r11), %r11
	jmp	*%rcx
	.globl	co_continue_end
	.hidden	co_continue_end
co_continue_end:
.Lreturn_slow:
	save_rest
	jmp	.Lattend
	.cfi_endproc
	.size	co_continue, . - co_continue

/* _Noreturn void carrier_stack_call(void (*fn)(void), uint64_t stack_top) */
	.globl	carrier_stack_call
	.hidden	carrier_stack_call
	.type	carrier_stack_call, @function
carrier_stack_call:
	.cfi_startproc
	.cfi_undefined rip
	mov	%rsi, %rsp
	pushq	$0x202
	popfq
	call	*%rdi
	ud2
	.cfi_endproc
	.size	carrier_stack_call, . - carrier_stack_call

	.section .note.GNU-stack, "", @progbits
