/* SPDX-License-Identifier: MIT */
/* Ids of threads that the kernel does not know. */
#ifndef COPATCH_TID_H
#define COPATCH_TID_H

/* The kernel's ids end here (PID_MAX_LIMIT, linux/threads.h): one look tells ours from them. */
#define TID_FIRST (1 << 22)

int tid_new(void);
void tid_free(int tid);
void tid_after_fork(void);
/* The process that a thread of this id belongs to, 0 if the id does not tell. */
int tid_process(int tid);

#endif
