/* SPDX-License-Identifier: MIT */
/* --trace: what the threads do and wait for, as Trace Event JSON. */
#ifndef COPATCH_TRACE_H
#define COPATCH_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;

/* trace.c */
/* An absolute path, and how large the file may become. */
void trace_wanted(const char *path, uint64_t limit);
/* After sched_init: from here on events are written, if they are wanted. */
void trace_start(void);
void trace_thread_begins(const struct thread *th, const struct thread *by);
/* The current thread is about to be no more. */
void trace_thread_ends(struct thread *th);
void trace_thread_named(const struct thread *th);
/* The end of the process, by its own will. Whatever else ends it leaves a file that is whole. */
void trace_end(void);
/* The new program's threads have the same ids: no wait may go on around what they do. */
void trace_before_exec(struct thread *th);
void trace_exec_failed(void);
void trace_after_fork(struct thread *th);

/* trace_file.c */
/*
 * Makes a new file that only its owner may read: `path`, or `path`.PID where there is one. A file
 * that this process has begun before an exec goes on. -errno.
 */
int trace_file_open(const char *path, uint64_t limit) __attribute__((warn_unused_result));
/* One event, without the comma before it. -errno, -EFBIG at the limit: the file is closed. */
int trace_file_put(const char *event, size_t n) __attribute__((warn_unused_result));
void trace_file_close(void);
void trace_file_after_fork(void);

#endif
