/* SPDX-License-Identifier: MIT */
/* --block-warn: what keeps the carrier. */
#ifndef COPATCH_BLOCKED_H
#define COPATCH_BLOCKED_H

struct watch_report;

/* sched_hooks.blocked */
void blocked_tell(struct watch_report *r);

#endif
