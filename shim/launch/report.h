/* SPDX-License-Identifier: MIT */
/* The parts of copatch report. */
#ifndef COPATCH_LAUNCH_REPORT_H
#define COPATCH_LAUNCH_REPORT_H

#include <stdio.h>

#include "trace_model.h"

/* Reads a whole trace. -errno; -EINVAL when it holds no event of ours. */
int report_read(FILE *in, struct trace_model *m) __attribute__((warn_unused_result));
/* The page; `source` is what it says it was made of. Look at ferror(out) afterwards. */
void report_page(FILE *out, const struct trace_model *m, const char *source);

#endif
