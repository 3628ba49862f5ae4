/* SPDX-License-Identifier: MIT */
/* Files as execve() and execvp() look for them. */
#ifndef COPATCH_LAUNCH_PATH_H
#define COPATCH_LAUNCH_PATH_H

#include <stddef.h>
#include <sys/stat.h>

/* 0 when execve() would open PATH, else -errno; a folder is -EISDIR. */
int path_check(const char *path, struct stat *st) __attribute__((warn_unused_result));

/* Leaves in PATH what execvp(NAME) would run, or on -EACCES what it was not allowed to. */
int path_search(const char *name, char *path, size_t size) __attribute__((warn_unused_result));

#endif
