/* SPDX-License-Identifier: MIT */
/* The first line of a script, read as the kernel and env(1) read it. */
#ifndef COPATCH_LAUNCH_SCRIPT_H
#define COPATCH_LAUNCH_SCRIPT_H

#include <stddef.h>

/* The kernel's BINPRM_BUF_SIZE: it looks no further. */
#define SCRIPT_HEAD 256

struct script {
	char interp[SCRIPT_HEAD]; /* may be empty */
	char arg[SCRIPT_HEAD];    /* the rest of the line, one argument; empty when there is none */
};

/* HEAD is how the file begins, up to SCRIPT_HEAD bytes. 0: the kernel would not take it. */
int script_parse(const char *head, size_t n, struct script *script);

/* Whether a shell would refuse to read a file that begins so. */
int script_is_binary(const char *head, size_t n);

enum env_says {
	ENV_UNKNOWN, /* more than is understood here */
	ENV_RUNS,    /* NAME, by way of PATH */
	ENV_CLEARS,  /* without LD_PRELOAD */
};

/* What "#!/usr/bin/env ARG" runs. NAME has room for SCRIPT_HEAD bytes. */
enum env_says script_env(const char *arg, char *name);

#endif
