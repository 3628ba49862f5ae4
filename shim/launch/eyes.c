/* SPDX-License-Identifier: MIT */
/* copatch ps and copatch top: hands over to copatch-eyes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launch.h"

#define ARGS_MAX 8 /* more are wrong in any case */

static int become(char *command, char **args)
{
	char path[PATH_MAX], *argv[ARGS_MAX + 3] = {path, command};
	int status = beside_find("copatch-eyes", path, sizeof(path));

	if (status != EXIT_PROCEED)
		return status;
	for (int i = 0; i < ARGS_MAX && args[i]; i++)
		argv[i + 2] = args[i];
	execv(path, argv);
	say("%s: %s", path, strerror(errno));
	return EXIT_COPATCH;
}

int ps_command(char **args)
{
	char name[] = "ps";

	return become(name, args);
}

int top_command(char **args)
{
	char name[] = "top";

	return become(name, args);
}
