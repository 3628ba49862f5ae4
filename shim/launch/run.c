/* SPDX-License-Identifier: MIT */
/* copatch run: looks at the program, sets the environment, becomes the program. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"
#include "target.h"

static int set_preload(const char *library, const char *old)
{
	size_t size = strlen(library) + (old ? strlen(old) : 0) + 2;
	char *joined = malloc(size);
	int status = EXIT_PROCEED;

	if (!joined || preload_join(joined, size, library, old) >= size ||
	    setenv("LD_PRELOAD", joined, 1)) {
		say("cannot set LD_PRELOAD: %s", strerror(errno));
		status = EXIT_COPATCH;
	}
	free(joined);
	return status;
}

int run_command(char **args)
{
	char library[PATH_MAX];
	struct target_verdict verdict;
	const char *preload = getenv("LD_PRELOAD");
	int used, status;

	status = options_read(args, &used);
	if (status != EXIT_PROCEED)
		return status;
	args += used;
	if (!args[0]) {
		say("no program given: copatch run [options] [--] PROGRAM [ARG...]");
		return EXIT_COPATCH;
	}
	status = options_check_env(environ);
	if (status == EXIT_PROCEED)
		status = library_find(library, sizeof(library));
	if (status != EXIT_PROCEED)
		return status;
	target_inspect(args[0], &verdict);
	if (verdict.status != EXIT_PROCEED) {
		say("%s", verdict.message);
		return verdict.status;
	}
	/* A copatch around this one has taken the dispatch: what the kernel says means nothing. */
	if (preload_has_copatch(preload) || kernel_usable(args[0])) {
		status = set_preload(library, preload);
		if (status != EXIT_PROCEED)
			return status;
	}
	execvp(args[0], args);
	status = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
	say("%s: %s", args[0], strerror(errno));
	return status;
}
