/* SPDX-License-Identifier: MIT */
/*
 * copatch-eyes: what `copatch ps` and `copatch top` become. A program of its own, so that
 * `copatch run` need not load the libraries that only these two use.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../launch/launch.h"
#include "eyes.h"

void eyes_fail(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	say("%s", line);
	exit(EXIT_COPATCH);
}

static pid_t read_pid(const char *command, const char *text)
{
	char *end;
	long pid;

	if (!text)
		eyes_fail("%s needs the number of a process: copatch %s PID", command, command);
	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno || *end || end == text || pid <= 0 || pid > INT32_MAX || *text == '+' ||
	    *text == ' ')
		eyes_fail("'%s' is not the number of a process: copatch %s PID", text, command);
	return (pid_t)pid;
}

int main(int argc, char **argv)
{
	struct eyes_process process = {.pid = 0};
	const char *command = argc > 1 ? argv[1] : "ps", *pid = NULL;
	bool top = !strcmp(command, "top"), json = false;
	int status;

	for (int i = 2; i < argc; i++) {
		if (!top && !strcmp(argv[i], "--json"))
			json = true;
		else if (argv[i][0] == '-')
			eyes_fail("unknown option '%s': see copatch --help", argv[i]);
		else if (pid)
			eyes_fail("'%s' is one too many: copatch %s takes one PID", argv[i],
				  command);
		else
			pid = argv[i];
	}
	/* No question of ours goes over a network for the names of functions. */
	unsetenv("DEBUGINFOD_URLS");
	eyes_open(&process, read_pid(command, pid));
	status = top ? top_main(&process) : ps_main(&process, json);
	if (fflush(stdout) || ferror(stdout))
		eyes_fail("cannot write to stdout");
	return status;
}
