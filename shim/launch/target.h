/* SPDX-License-Identifier: MIT */
/* Looks at a program before it is run. */
#ifndef COPATCH_LAUNCH_TARGET_H
#define COPATCH_LAUNCH_TARGET_H

#include "launch.h"

struct target_verdict {
	int status; /* EXIT_PROCEED, or what to exit with */
	char message[MESSAGE_MAX];
	char program[PATH_MAX]; /* as it was found */
	char path[PATH_MAX];    /* the file looked at last: the same, or an interpreter */
};

void target_inspect(const char *program, struct target_verdict *verdict);

#endif
