/* SPDX-License-Identifier: MIT */
/*
 * Where the coroutine is that runs right now: its registers are in the processor. The carrier is
 * stopped for as long as it takes to copy them and the stack, by ptrace(2), which also works
 * when a signal has stopped it already, and leaves it stopped then.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eyes.h"

#define PAGE        4096UL
#define STACK_COPY  (256UL << 10)
#define PATIENCE_US 500000 /* a thread in a page fault may not stop for long */
#define STEP_US     200

static bool stop(pid_t pid, int *status)
{
	if (ptrace(PTRACE_SEIZE, pid, 0L, 0L))
		return false; /* a debugger has it, or a sandbox forbids it */
	if (ptrace(PTRACE_INTERRUPT, pid, 0L, 0L))
		return false;
	for (int us = 0; us < PATIENCE_US; us += STEP_US) {
		pid_t got = waitpid(pid, status, WNOHANG | __WALL);

		if (got == pid)
			return WIFSTOPPED(*status);
		if (got < 0)
			return false;
		usleep(STEP_US);
	}
	return false; /* it is let go when we end */
}

/* A signal that was on its way when it stopped goes on its way. */
static void go_on(pid_t pid, int status)
{
	ptrace(PTRACE_DETACH, pid, 0L, status >> 16 ? 0L : (long)WSTOPSIG(status));
}

static void copy_stack(struct eyes_process *p, uint64_t sp)
{
	const struct eyes_map *m = eyes_map_of(p, sp);
	uint64_t size = m ? m->end - sp : 0;

	if (size > STACK_COPY)
		size = STACK_COPY;
	if (!p->live_stack)
		p->live_stack = malloc(STACK_COPY);
	p->live_at = sp;
	p->live_size = 0;
	/* Page by page: above it may lie the guard of another stack, in the same mapping. */
	while (p->live_stack && p->live_size < size) {
		uint64_t left = size - p->live_size;
		uint64_t n = PAGE - (sp + p->live_size) % PAGE;

		n = n < left ? n : left;
		if (!p->read(p, sp + p->live_size, p->live_stack + p->live_size, n))
			break;
		p->live_size += n;
	}
}

bool eyes_stop_carrier(struct eyes_process *p)
{
	struct user_regs_struct r;
	uint64_t current = 0;
	int status;

	p->live = false;
	if (!stop(p->pid, &status))
		return false;
	if (p->read(p, p->reg.carrier + p->reg.where[REG_CURRENT].at, &current, sizeof(current)) &&
	    current && !ptrace(PTRACE_GETREGS, p->pid, 0L, &r)) {
		p->live_regs = (struct co_regs){
			r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi,
			r.rsi, r.rbp, r.rbx, r.rdx, r.rax, r.rcx, r.rsp, r.rip, r.eflags,
		};
		p->live_co = current;
		p->live = p->read(p, current + p->reg.where[REG_REGS].at, &p->entry_regs,
				  sizeof(p->entry_regs));
		copy_stack(p, r.rsp);
	}
	go_on(p->pid, status);
	return p->live;
}
