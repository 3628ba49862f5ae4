/* SPDX-License-Identifier: MIT */
/* The back door: Syscall User Dispatch. */
#ifndef COPATCH_TRAP_H
#define COPATCH_TRAP_H

/* 0; -EINVAL: the kernel does not know it (before 5.11); -EPERM: it is switched off. */
int trap_init(void) __attribute__((warn_unused_result));
/* Dispatch is off in every new process: on again. */
int trap_arm(void);

#endif
