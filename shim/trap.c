/* SPDX-License-Identifier: MIT */
/*
 * The back door: every system call that is not made from our own text raises SIGSYS. The handler
 * never returns: it takes the registers from the frame, the vector state too, and goes on from
 * the top of the carrier's stack. That saves the sigreturn, a system call in itself; the mask is
 * the same as before, since SIGSYS is caught with SA_NODEFER and an empty mask.
 */
#include "trap.h"

#include <linux/audit.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "../scheduler/carrier.h"
#include "../scheduler/check.h"
#include "../scheduler/helper.h"
#include "../scheduler/raw.h"
#include "patch.h"
#include "signals.h"
#include "sys.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#define DISPATCH_ON       1
#define SYS_USER_DISPATCH 2 /* si_code, asm-generic/siginfo.h */
#define STACK_SIZE        (64UL << 10)

static _Noreturn void go(void)
{
	struct coroutine *co = co_current();

	patch_trapped(co);
	carrier_enter(co, sys_again, sys_enter_back(co));
	co_resume();
}

/*
 * libev opens its descriptors, see loop_open: let it, but move them out of the way. The frame is
 * left by sigreturn, as libev waits for its answer on the carrier's stack.
 */
static void pass_opening(struct carrier *ca, greg_t *g)
{
	long ret = raw6(g[REG_RAX], g[REG_RDI], g[REG_RSI], g[REG_RDX], g[REG_R10], g[REG_R8],
			g[REG_R9]);

	if (g[REG_RAX] == __NR_epoll_create1 && ret >= 0)
		ret = ca->epoll_fd = fd_move_high((int)ret);
	g[REG_RAX] = ret;
}

static void on_sigsys(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	struct carrier *ca = this_carrier();
	struct coroutine *co = ca->current;

	if (info->si_code != SYS_USER_DISPATCH) {
		sigreal_handler(sig, info, context);
		return;
	}
	if (ca->loop_opening) {
		pass_opening(ca, g);
		return;
	}
	CHECK(co && !ca->foreign);
	if (info->si_arch != AUDIT_ARCH_X86_64) {
		g[REG_RAX] = -ENOSYS; /* int $0x80: there is no 32-bit program to run here */
		return;
	}
	/* struct co_regs has the order of the frame. */
	co->regs = *(struct co_regs *)g;
	co->regs.cx = co->regs.ip; /* as the instruction leaves them */
	co->regs.r11 = co->regs.flags;
	co->abi = ABI_SYSCALL;
	co->live_vector = true;
	__asm__ volatile("xrstor64 (%0)"
			 :
			 : "r"(uc->uc_mcontext.fpregs), "a"(-1), "d"(-1)
			 : "memory");
	carrier_stack_call(go, ca->stack_top);
}

int trap_arm(void)
{
	struct carrier *ca = this_carrier();
	long err = raw5(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, DISPATCH_ON, text_begin,
			text_end - text_begin, &ca->selector);

	if (err)
		return (int)err;
	ca->selector = ca->selector_on = 1;
	return 0;
}

int trap_init(void)
{
	struct kernel_sigaction act = {
		.handler = (uint64_t)on_sigsys,
		.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTORER_FLAG,
		.restorer = (uint64_t)signal_restorer,
	};
	stack_t ss = {.ss_size = STACK_SIZE + getauxval(AT_MINSIGSTKSZ)};

	ss.ss_size = (ss.ss_size + 4095) & ~4095UL;
	ss.ss_sp = mem_stack(ss.ss_size);
	if (!ss.ss_sp)
		return -ENOMEM;
	raw2(__NR_sigaltstack, &ss, 0);
	raw4(__NR_rt_sigaction, SIGSYS, &act, 0, 8);
	return trap_arm();
}
