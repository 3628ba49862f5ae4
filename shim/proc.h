/* SPDX-License-Identifier: MIT */
/* What sys_proc.c shares with proc_x86_64.S. */
#ifndef COPATCH_PROC_H
#define COPATCH_PROC_H

#include "thread.h"

struct vfork_start {
	struct thread *th;
	uint64_t stack; /* 0: the parent's */
};

/* clone(2) on the caller's stack; the child calls child(arg), which never returns. */
long proc_vfork_clone(uint64_t flags, uint64_t parent_tid, uint64_t child_tid, uint64_t tls,
		      void (*child)(void *), void *arg);

/* proc_beside.c: children that run in our memory, until they exec or end. */
/* How many of them we wait for: none may see the program's text change. */
extern unsigned proc_beside_count;
/* For clone and vfork; -EAGAIN: not like this, nothing has been done. */
long proc_vfork_beside(struct thread *th, uint64_t flags, uint64_t stack);
/* The call of proc_vfork_beside, made again. */
long proc_vfork_again(struct thread *th);
/* clone with CLONE_VM alone: nobody waits. */
long proc_beside(struct thread *th, uint64_t flags, uint64_t stack);
/* In their copy nobody else is there. */
void proc_beside_after_fork(void);

/* sys_time.c, report.c */
void timers_after_fork(void);
void report_after_fork(void);

#endif
