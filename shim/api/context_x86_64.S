/* SPDX-License-Identifier: MIT */
/* From one stack to another within a thread, as a C function call. */

/*
 * Leaves this stack for the other: %rdi where to note this one's pointer, %rsi the other's. Both
 * have the same frame, so what is said of it for unwinding holds at each instruction. Loading
 * the control words is slow, and they hardly ever differ.
 */
	.macro	leave_stack
	.irp	reg, %rbp, %rbx, %r12, %r13, %r14, %r15
	push	\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endr
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	mov	(%rsp), %eax
	movzwl	4(%rsp), %ecx
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	cmp	(%rsp), %eax
	je	1f
	ldmxcsr	(%rsp)
1:	cmp	4(%rsp), %cx
	je	2f
	fldcw	4(%rsp)
2:	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	.irp	reg, %r15, %r14, %r13, %r12, %rbx, %rbp
	pop	\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endr
	.endm

	.section front_text, "ax", @progbits

/*
 * int context_swap(void **sp, void *to, int result)
 * out: %eax the result that whoever comes back has given; what C preserves is preserved
 */
	.globl	context_swap
	.hidden	context_swap
	.type	context_swap, @function
context_swap:
	.cfi_startproc
	leave_stack
	mov	%edx, %eax
	/* Not ret: the processor would expect to go back to this stack's caller. */
	pop	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	jmp	*%rcx
	.cfi_endproc
	.size	context_swap, . - context_swap

/*
 * int context_swap_call(void **sp, void *to, int (*fn)(void))
 * The same, but the other side finds itself in `fn`, as if it had called that and not us.
 */
	.globl	context_swap_call
	.hidden	context_swap_call
	.type	context_swap_call, @function
context_swap_call:
	.cfi_startproc
	leave_stack
	jmp	*%rdx
	.cfi_endproc
	.size	context_swap_call, . - context_swap_call

/* Where a new stack begins: no caller for debuggers and exceptions. */
	.globl	context_entry
	.hidden	context_entry
	.type	context_entry, @function
context_entry:
	.cfi_startproc
	.cfi_undefined %rip
	xor	%ebp, %ebp
	call	context_begin
	ud2
	.cfi_endproc
	.size	context_entry, . - context_entry

/*
 * _Noreturn void context_unwind_from(void *buf)
 * Unwinds this stack as cancellation does. The frame is here for the sake of its personality
 * routine, which is shown the exception object that glibc uses.
 */
	.globl	context_unwind_from
	.hidden	context_unwind_from
	.type	context_unwind_from, @function
context_unwind_from:
	.cfi_startproc
	.cfi_personality 0x1b, context_personality
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	__pthread_unwind_next@PLT
	ud2
	.cfi_endproc
	.size	context_unwind_from, . - context_unwind_from

	.section .note.GNU-stack, "", @progbits
