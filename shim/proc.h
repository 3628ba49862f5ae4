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

/* sys_time.c, report.c */
void timers_after_fork(void);
void report_after_fork(void);

#endif
