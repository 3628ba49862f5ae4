/* SPDX-License-Identifier: MIT */
/* What the watchdog tells, and where signals meet it. */
#ifndef COPATCH_WATCH_H
#define COPATCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

struct coroutine;

/* The carrier has not switched for `ns`. Read while it may go on at any moment. */
struct watch_report {
	struct coroutine *co; /* it had the carrier; NULL: nobody had */
	int carrier;          /* the kernel's id of the carrier */
	uint64_t ns;
	uint64_t cpu_ns; /* of processor time meanwhile */
	bool starved;    /* after watch_registers has failed: it had no processor to answer on */
};

/*
 * On the watchdog's thread: where the carrier is now, by a signal. False: it does not answer, since
 * it is in the kernel. Not while it is in a system call, which would end with EINTR.
 */
bool watch_registers(struct watch_report *r, greg_t regs[NGREG])
	__attribute__((warn_unused_result));

/* From the handler of OWN_SIGNAL. True: the signal was the watchdog's. */
bool watch_signal(const ucontext_t *uc);
/* New credentials: the thread is made anew with them. */
void watch_renew(void);
void watch_after_fork(void);

#endif
