/* SPDX-License-Identifier: MIT */
/* What helper.c shares with helper_x86_64.S, and with whoever handles signals. */
#ifndef COPATCH_HELPER_H
#define COPATCH_HELPER_H

/*
 * Interrupts helpers and ends time slices. It is glibc's SIGSETXID, which comes by tgkill only,
 * from one thread of the program to another, and so never from the kernel.
 */
#define OWN_SIGNAL 33

/* Outside the range of any result of a system call: a signal came before it had begun. */
#define NOT_BEGUN (-70002)

#ifndef __ASSEMBLER__
#include <stdint.h>
#include <ucontext.h>

struct helper;

/*
 * A system call that signals end: NOT_BEGUN if *stop is set before it begins, or if a signal
 * comes before the instruction has run, else as the call itself would have it.
 */
long interruptible_syscall(long nr, const long arg[6], const volatile uint32_t *stop);
extern const char interruptible_begin[], interruptible_end[], interruptible_out[];
/* For signal handlers that have set *stop, with the place that they have interrupted. */
void interruptible_signal(greg_t *rip);

/*
 * clone(2) for a thread that runs fn(arg), which never returns, on a stack of its own. `child_tid`
 * is for CLONE_CHILD_CLEARTID, else NULL.
 */
long helper_clone(long flags, void *stack_top, void (*fn)(void *), void *arg, uint32_t *child_tid);

/* preempt.c: catches OWN_SIGNAL. */
void own_signal_init(void);

/* The return from every real signal handler of ours. */
void signal_restorer(void);
#endif

#endif
