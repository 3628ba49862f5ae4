/* SPDX-License-Identifier: MIT */
/* Messages: always one line. */
#include <stdarg.h>
#include <stdio.h>

#include "launch.h"

void say_clean(char *line)
{
	for (char *at = line; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
}

void say_line(char line[MESSAGE_MAX], const char *format, va_list args)
{
	(void)vsnprintf(line, MESSAGE_MAX, format, args);
	say_clean(line);
}

void say(const char *format, ...)
{
	char line[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	say_line(line, format, args);
	va_end(args);
	(void)fprintf(stderr, "copatch: %s\n", line);
}
