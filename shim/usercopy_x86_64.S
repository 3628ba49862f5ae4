/* SPDX-License-Identifier: MIT */
/* Fault-safe access to the program's memory: see usercopy.h. No function here uses the stack. */

	.text
	.globl	user_copy, user_load32, user_cas32, user_begin, user_end, user_fault
	.hidden	user_copy, user_load32, user_cas32, user_begin, user_end, user_fault
	.cfi_startproc

user_begin:
/* long user_copy(void *to, const void *from, uint64_t n) */
user_copy:
	mov	%rdx, %rcx
	cmp	$8, %rdx
	je	1f
	rep movsb
	xor	%eax, %eax
	ret
1:
	mov	(%rsi), %rax
	mov	%rax, (%rdi)
	xor	%eax, %eax
	ret

/* long user_load32(uint32_t *to, const void *from) */
user_load32:
	mov	(%rsi), %eax
	mov	%eax, (%rdi)
	xor	%eax, %eax
	ret

/* long user_cas32(void *at, uint32_t *old, uint32_t val) */
user_cas32:
	mov	(%rsi), %eax
	lock cmpxchg %edx, (%rdi)
	mov	%eax, (%rsi)
	mov	$0, %eax
	ret
user_end:

user_fault:
	mov	$-14, %rax	/* -EFAULT */
	ret
	.cfi_endproc

	.section .note.GNU-stack, "", @progbits
