/* SPDX-License-Identifier: MIT */
/*
 * The vector state that threads mostly have when they make a call: XMM0-15, and where there is
 * AVX-512 what the C library's string functions leave behind, ZMM16-31 and the masks. XSAVE and
 * XRSTOR take eight times as long, and XGETBV as long as all of this. See struct vector_small.
 */
#include "vector.h"

	.text

/*
 * bool vector_x87_empty(void)
 * No register of the stack is in use, and no MMX register. It is so at every function's begin
 * and end (System V ABI, 3.2.1), so that whoever fails this test is in the middle of something.
 */
	.globl	vector_x87_empty
	.hidden	vector_x87_empty
	.type	vector_x87_empty, @function
vector_x87_empty:
	.cfi_startproc
	fxam
	fnstsw	%ax
	and	$0x7d00, %eax		/* TOP, C3, C2, C0 */
	cmp	$0x4100, %eax		/* 0 and "empty" */
	sete	%al
	movzbl	%al, %eax
	ret
	.cfi_endproc
	.size	vector_x87_empty, . - vector_x87_empty

	.macro	xmm_0_15 op from to
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	.ifc	\op, save
	movups	%xmm\n, VS_XMM + 16 * \n(%rdi)
	.else
	movups	VS_XMM + 16 * \n(%rdi), %xmm\n
	.endif
	.endr
	.endm

/* 0xfe: the OR of all three. */
	.macro	or_pairs a b more:vararg
	vpternlogq $0xfe, %zmm\a, %zmm\b, %zmm16
	.ifnb	\more
	or_pairs \more
	.endif
	.endm

/* bool vector_save_sse(struct vector_small *to): for processors without AVX. Never fails. */
	.globl	vector_save_sse
	.hidden	vector_save_sse
	.type	vector_save_sse, @function
vector_save_sse:
	.cfi_startproc
	xmm_0_15 save
	mov	$1, %eax
	ret
	.cfi_endproc
	.size	vector_save_sse, . - vector_save_sse

	.globl	vector_load_sse
	.hidden	vector_load_sse
	.type	vector_load_sse, @function
vector_load_sse:
	.cfi_startproc
	xmm_0_15 load
	ret
	.cfi_endproc
	.size	vector_load_sse, . - vector_load_sse

/*
 * bool vector_save_avx(struct vector_small *to)
 * 0: some upper half is in use; the processor's state is as it was.
 */
	.globl	vector_save_avx
	.hidden	vector_save_avx
	.type	vector_save_avx, @function
vector_save_avx:
	.cfi_startproc
	vmovups	%ymm15, VS_SCRATCH(%rdi)
	.irp	n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14
	vorps	%ymm\n, %ymm15, %ymm15
	.endr
	vextractf128 $1, %ymm15, %xmm15
	vptest	%xmm15, %xmm15
	vmovups	VS_SCRATCH(%rdi), %ymm15
	jne	1f
	xmm_0_15 save
	mov	$1, %eax
	ret
1:
	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	vector_save_avx, . - vector_save_avx

	.globl	vector_load_avx
	.hidden	vector_load_avx
	.type	vector_load_avx, @function
vector_load_avx:
	.cfi_startproc
	vzeroupper
	xmm_0_15 load
	ret
	.cfi_endproc
	.size	vector_load_avx, . - vector_load_avx

/*
 * bool vector_save_avx512(struct vector_small *to)
 * 0: some of the upper parts of ZMM0-15 is in use; the processor's state is as it was.
 */
	.globl	vector_save_avx512
	.hidden	vector_save_avx512
	.type	vector_save_avx512, @function
vector_save_avx512:
	.cfi_startproc
	.irp	n, 0,1,2,3,4,5,6,7
	kmovq	%k\n, VS_MASKS + 8 * \n(%rdi)
	.endr
	.irp	n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovups	%zmm\n, VS_ZMM16 + 64 * (\n - 16)(%rdi)
	.endr
	vmovdqa64 %zmm0, %zmm16
	or_pairs 1,2, 3,4, 5,6, 7,8, 9,10, 11,12, 13,14
	vporq	%zmm15, %zmm16, %zmm16
	vptestmq %zmm16, %zmm16, %k1
	kmovd	%k1, %eax
	shr	$2, %eax		/* the quarters above XMM0-15 */
	jne	1f
	xmm_0_15 save
	mov	$1, %eax
	ret
1:
	vmovups	VS_ZMM16(%rdi), %zmm16
	kmovq	VS_MASKS + 8(%rdi), %k1
	xor	%eax, %eax
	ret
	.cfi_endproc
	.size	vector_save_avx512, . - vector_save_avx512

	.globl	vector_load_avx512
	.hidden	vector_load_avx512
	.type	vector_load_avx512, @function
vector_load_avx512:
	.cfi_startproc
	.irp	n, 0,1,2,3,4,5,6,7
	kmovq	VS_MASKS + 8 * \n(%rdi), %k\n
	.endr
	.irp	n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovups	VS_ZMM16 + 64 * (\n - 16)(%rdi), %zmm\n
	.endr
	vzeroupper
	xmm_0_15 load
	ret
	.cfi_endproc
	.size	vector_load_avx512, . - vector_load_avx512

	.section .note.GNU-stack, "", @progbits
