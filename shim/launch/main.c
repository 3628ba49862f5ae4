/* SPDX-License-Identifier: MIT */
/* The copatch command: picks the subcommand. */
#include <stdio.h>
#include <string.h>

#include "launch.h"

#ifndef COPATCH_VERSION
#define COPATCH_VERSION "(unversioned)"
#endif

struct command {
	const char *name;
	int (*start)(char **args);
	const char *usage;
	const char *help;
};

static const struct command commands[] = {
	{"run", run_command, "run [options] [--] PROGRAM [ARG...]",
	 "run PROGRAM with its threads as coroutines"},
	{"doctor", doctor_command, "doctor [PROGRAM]",
	 "say whether PROGRAM, or any on this machine, will run so, and what the doors cover"},
	{"ps", ps_command, "ps [--json] PID",
	 "show every coroutine of a process, and what it waits for"},
	{"top", top_command, "top PID", "the same, live and sorted"},
	{"report", report_command, "report FILE -o REPORT.html",
	 "make a page of what run --trace FILE has written, to look at in a browser"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* A full disk under stdout would otherwise go unseen. */
static int finish_stdout(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return 0;
	say("cannot write to stdout");
	return EXIT_COPATCH;
}

static int print_help(void)
{
	puts("Runs every thread of an unmodified program as a coroutine on one kernel thread.\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("usage: copatch %s\n       %s\n", commands[i].usage, commands[i].help);
	puts("       copatch --version\n"
	     "       copatch --help\n\n"
	     "options of run, and the variables that do the same:");
	options_print_help();
	puts("\nA deadlock is told on stderr, with the locks and who holds them. In gdb: info "
	     "coroutines,\n"
	     "coroutine ID bt, coroutine apply all bt. Without this command a program runs so by\n"
	     "LD_PRELOAD=.../libcopatch.so and the variables.\n\n"
	     "Exit status: PROGRAM's own; 125 copatch failed, 126 PROGRAM cannot be run,\n"
	     "127 PROGRAM was not found. More is in copatch(1); generators, greenlets and\n"
	     "tasks for programs of one's own, copatch.h, in copatch(3).");
	return finish_stdout();
}

static int print_version(void)
{
	puts("copatch " COPATCH_VERSION);
	return finish_stdout();
}

static bool is_help(const char *arg)
{
	return arg && (!strcmp(arg, "--help") || !strcmp(arg, "-h"));
}

/* Anywhere among the words that are ours: those of run end where the program begins. */
static bool asks_for_help(char **args, bool all)
{
	for (; *args && (all || **args == '-') && strcmp(*args, "--") != 0; args++)
		if (is_help(*args))
			return true;
	return false;
}

static int start(const struct command *command, char **args)
{
	if (asks_for_help(args, command->start != run_command))
		return print_help();
	return command->start(args);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		say("no command given: copatch run PROGRAM [ARG...], or copatch --help");
		return EXIT_COPATCH;
	}
	if (is_help(argv[1]))
		return print_help();
	if (!strcmp(argv[1], "--version") && argc == 2)
		return print_version();
	if (!strcmp(argv[1], "--version")) {
		say("'%s' is one too many: copatch --version", argv[2]);
		return EXIT_COPATCH;
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(argv[1], commands[i].name))
			return start(&commands[i], argv + 2);
	if (argv[1][0] == '-')
		say("unknown option '%s': see copatch --help", argv[1]);
	else
		say("unknown command '%s': to run a program, say copatch run %s", argv[1], argv[1]);
	return EXIT_COPATCH;
}
