/* SPDX-License-Identifier: MIT */
/* copatch doctor: looks at the machine and a program, runs nothing of it, gives a verdict. */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void doctor_fact(const char *name, const char *format, ...)
{
	char line[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	say_line(line, format, args);
	va_end(args);
	printf("  %-13s %s\n", name, line);
}

void doctor_limit(struct doctor *doctor, const char *format, ...)
{
	size_t used = strlen(doctor->limits);
	char line[MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	say_line(line, format, args);
	va_end(args);
	if (strstr(doctor->limits, line))
		return;
	(void)snprintf(doctor->limits + used, sizeof(doctor->limits) - used, "%s%s",
		       used ? "; " : "", line);
}

void doctor_refuse(struct doctor *doctor, int status, const char *format, ...)
{
	va_list args;

	if (doctor->status != EXIT_PROCEED)
		return;
	doctor->status = status;
	va_start(args, format);
	(void)vsnprintf(doctor->reason, sizeof(doctor->reason), format, args);
	va_end(args);
}

static int verdict(struct doctor *doctor)
{
	say_clean(doctor->reason);
	if (doctor->status != EXIT_PROCEED)
		printf("\ncannot run, because %s\n", doctor->reason);
	else if (*doctor->limits)
		printf("\nruns, with these limits: %s\n", doctor->limits);
	else
		puts("\nruns");
	if (fflush(stdout) || ferror(stdout)) {
		say("cannot write to stdout");
		return EXIT_COPATCH;
	}
	return doctor->status == EXIT_PROCEED ? 0 : doctor->status;
}

int doctor_command(char **args)
{
	struct doctor doctor = {.status = EXIT_PROCEED};

	if (args[0] && !strcmp(args[0], "--"))
		args++;
	else if (args[0] && args[0][0] == '-') {
		say("unknown option '%s': copatch doctor [PROGRAM]", args[0]);
		return EXIT_COPATCH;
	}
	if (args[0] && args[1]) {
		say("too many arguments: copatch doctor looks at one program, without arguments of "
		    "its own");
		return EXIT_COPATCH;
	}
	doctor_machine(&doctor);
	if (args[0])
		doctor_program(&doctor, args[0]);
	return verdict(&doctor);
}
