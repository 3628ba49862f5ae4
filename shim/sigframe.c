/* SPDX-License-Identifier: MIT */
/* The frames that handlers of the program stand on, in the kernel's layout (asm/sigframe.h). */
#include <string.h>
#include <ucontext.h>

#include "../scheduler/check.h"
#include "../scheduler/raw.h"
#include "patch.h"
#include "signals.h"
#include "usercopy.h"

#define FP_XSTATE_MAGIC1     0x46505853U
#define FP_XSTATE_MAGIC2     0x46505845U
#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4
#define VECTOR_MAX           (16U << 10)

/* The kernel's struct sigcontext; the registers are in the order of struct co_regs. */
struct kernel_sigcontext {
	struct co_regs regs;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct kernel_ucontext {
	uint64_t flags;
	uint64_t link;
	stack_t stack;
	struct kernel_sigcontext mc;
	uint64_t sigmask;
};

struct frame {
	uint64_t pretcode;
	struct kernel_ucontext uc;
	siginfo_t info;
};

/* struct _fpx_sw_bytes, in the last 48 of the 512 bytes that FXSAVE knows. */
struct sw_bytes {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};

#define SW_BYTES 464

_Static_assert(offsetof(struct kernel_ucontext, mc) == 40, "asm/ucontext.h");
_Static_assert(offsetof(struct kernel_ucontext, sigmask) == 40 + 256, "asm/ucontext.h");

bool on_altstack(const struct thread *th, uint64_t sp)
{
	uint64_t base = (uint64_t)th->altstack.ss_sp;

	return !(th->altstack.ss_flags & SS_DISABLE) && sp > base &&
	       sp - base <= th->altstack.ss_size;
}

/* The vector state that the handler's frame is to hold, as the kernel would have saved it. */
static void vector_image(struct thread *th, char *image)
{
	struct sw_bytes sw = {
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = co_vector_size + 4,
		.xfeatures = co_vector_mask,
		.xstate_size = co_vector_size,
	};
	uint32_t magic2 = FP_XSTATE_MAGIC2;

	co_vector_image(&th->co, image);
	memcpy(image + SW_BYTES, &sw, sizeof(sw));
	memcpy(image + co_vector_size, &magic2, sizeof(magic2));
}

long sigframe_push(struct thread *th, int sig, const siginfo_t *info,
		   const struct kernel_sigaction *act, uint64_t oldmask)
{
	struct co_regs *regs = &th->co.regs;
	char image[VECTOR_MAX] __attribute__((aligned(64)));
	uint64_t sp = regs->sp - 128, fp; /* the red zone */
	struct frame f;

	if (act->flags & SA_ONSTACK && !(th->altstack.ss_flags & SS_DISABLE) &&
	    !on_altstack(th, regs->sp))
		sp = (uint64_t)th->altstack.ss_sp + th->altstack.ss_size;
	memset(&f, 0, sizeof(f));
	f.pretcode = act->restorer;
	f.info = *info;
	f.uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f.uc.stack = th->altstack;
	if (!(th->altstack.ss_flags & SS_DISABLE))
		f.uc.stack.ss_flags |= on_altstack(th, regs->sp) ? SS_ONSTACK : 0;
	f.uc.mc.regs = *regs;
	f.uc.mc.regs.ip = patch_ip_shown(regs->ip);
	if (!f.uc.mc.regs.flags) /* dead */
		f.uc.mc.regs.flags = 0x202;
	f.uc.mc.cs = 0x33;
	f.uc.mc.ss = 0x2b;
	if (SIGBIT(sig) & SIG_SYNCHRONOUS) {
		f.uc.mc.cr2 = (uint64_t)info->si_addr;
		f.uc.mc.trapno = sig == SIGSEGV || sig == SIGBUS ? 14 : 0;
	}
	f.uc.sigmask = oldmask;
	CHECK(co_vector_size + 4 <= VECTOR_MAX);
	vector_image(th, image);
	fp = (sp - (co_vector_size + 4)) & ~63UL;
	sp = ((fp - sizeof(f)) & ~15UL) - 8;
	f.uc.mc.fpstate = fp;
	if (on_altstack(th, regs->sp) && act->flags & SA_ONSTACK && !on_altstack(th, sp))
		return -EFAULT; /* overflow of the alternate stack */
	if (user_copy((void *)fp, image, co_vector_size + 4) || user_put(sp, f))
		return -EFAULT;
	if (th->altstack.ss_flags & (int)SS_AUTODISARM && on_altstack(th, sp))
		th->altstack = (stack_t){.ss_flags = SS_DISABLE};
	regs->sp = sp;
	regs->ip = act->handler;
	regs->di = (uint64_t)sig;
	regs->si = sp + offsetof(struct frame, info);
	regs->dx = sp + offsetof(struct frame, uc);
	regs->ax = 0;
	regs->flags = 0x202;
	co_drop_vector(&th->co);
	th->co.live_vector = false;
	th->co.fresh_vector = true;
	th->co.mxcsr = 0x1f80;
	th->co.fcw = 0x37f;
	return 0;
}

/* Takes an XSAVE image from the program's memory; whatever it holds, loading it must not fault. */
static long load_image(struct thread *th, uint64_t from)
{
	uint64_t header[8], features = co_vector_mask;
	struct sw_bytes sw;
	uint32_t mxcsr;
	char *image;

	co_drop_vector(&th->co);
	th->co.live_vector = false;
	if (!from) {
		th->co.fresh_vector = true;
		return 0;
	}
	image = co_vector_alloc();
	if (!image)
		return -EFAULT;
	th->co.vector = image;
	if (user_get(sw, from + SW_BYTES) || user_copy(image, (void *)from, 512))
		return -EFAULT;
	memset(header, 0, sizeof(header));
	if (sw.magic1 == FP_XSTATE_MAGIC1 && sw.xstate_size <= co_vector_size) {
		if (user_copy(image + 512, (void *)(from + 512), co_vector_size - 512))
			return -EFAULT;
		memcpy(header, image + 512, 8);
		header[0] &= features;
	} else {
		header[0] = 3;
	}
	memcpy(image + 512, header, sizeof(header));
	memcpy(&mxcsr, image + 24, 4);
	mxcsr &= 0xffff;
	memcpy(image + 24, &mxcsr, 4);
	th->co.mxcsr = mxcsr;
	memcpy(&th->co.fcw, image, 2);
	return 0;
}

long sigframe_pop(struct thread *th)
{
	struct co_regs *regs = &th->co.regs;
	uint64_t at = regs->sp - 8; /* the handler's return took pretcode off */
	struct frame f;

	if (user_get(f, at) || load_image(th, f.uc.mc.fpstate)) {
		siginfo_t info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};

		signal_post(th, &info, true);
		return NO_RESULT;
	}
	*regs = f.uc.mc.regs;
	regs->ip = patch_ip_resumed(regs->ip);
	/* Not ours to give: I/O privilege, virtual interrupts and the like. */
	regs->flags = (regs->flags & 0x50dd5) | 0x202;
	th->co.abi = ABI_SYSCALL;
	if (!(f.uc.stack.ss_flags & SS_DISABLE) || th->altstack.ss_flags & SS_DISABLE)
		th->altstack = f.uc.stack;
	th->altstack.ss_flags &= ~SS_ONSTACK;
	signal_set_mask(th, f.uc.sigmask);
	return NO_RESULT;
}

void sigframe_save_interrupted(struct thread *th, const void *ucontext)
{
	const struct kernel_ucontext *uc = ucontext;

	th->co.regs = uc->mc.regs;
	th->co.abi = ABI_SYSCALL;
	th->co.live_vector = false;
	if (!th->co.vector)
		th->co.vector = co_vector_alloc();
	CHECK(th->co.vector);
	memcpy(th->co.vector, (void *)uc->mc.fpstate, co_vector_size);
	/* The kernel's own words, where XRSTOR wants nothing in particular; but be exact. */
	memset((char *)th->co.vector + SW_BYTES, 0, sizeof(struct sw_bytes));
	*(uint64_t *)((char *)th->co.vector + 512) &= co_vector_mask;
	memcpy(&th->co.fcw, th->co.vector, 2);
	memcpy(&th->co.mxcsr, (char *)th->co.vector + 24, 4);
}
