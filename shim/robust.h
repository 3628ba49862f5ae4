/* SPDX-License-Identifier: MIT */
/* Robust locks whose owner ends. */
#ifndef COPATCH_ROBUST_H
#define COPATCH_ROBUST_H

#include "thread.h"

void robust_owner_ends(struct thread *th);
void robust_before_exec(void);
void robust_exec_failed(void);

#endif
