/* SPDX-License-Identifier: MIT */
/* Whether the kernel would set AT_SECURE, so that the dynamic loader drops LD_PRELOAD. */
#ifndef COPATCH_LAUNCH_SECURE_H
#define COPATCH_LAUNCH_SECURE_H

#include <stddef.h>
#include <sys/stat.h>

/* NULL, or why, as a phrase. */
const char *secure_reason(const char *path, const struct stat *st);

/* VALUE is a security.capability attribute: whether it gives a process anything by itself. */
int secure_caps_raise(const unsigned char *value, size_t n);

#endif
