/* SPDX-License-Identifier: MIT */
/* Says on stderr that no thread will ever run again, and why. */
#ifndef COPATCH_DEADLOCK_H
#define COPATCH_DEADLOCK_H

#include <stdbool.h>

extern bool deadlock_abort; /* ends the process by SIGABRT then */

/* sched_hooks.stuck */
void deadlock_look(void);

#endif
