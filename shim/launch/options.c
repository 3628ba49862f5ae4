/* SPDX-License-Identifier: MIT */
/* The options of copatch run: each becomes its COPATCH_ variable. */
#include "../options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch.h"

static const struct copatch_option *find(const char *name, const char **value)
{
	for (size_t i = 0; i < COPATCH_OPTIONS; i++) {
		const struct copatch_option *option = &copatch_options[i];
		size_t n = option->name ? copatch_starts_with(name, option->name, '=') : 0;

		if (n) {
			*value = name[n] ? name + n + 1 : NULL;
			return option;
		}
	}
	return NULL;
}

/*
 * Makes VALUE absolute, since the program may change its folder before it makes a child, and
 * says at once what the library would find out later.
 */
static int set_file(const struct copatch_option *option, const char *value)
{
	char folder[PATH_MAX], path[2 * PATH_MAX], *slash;
	struct stat st;

	if (value[0] == '/' || !getcwd(folder, sizeof(folder)))
		folder[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s%s%s", folder, folder[0] ? "/" : "", value);
	if (!lstat(path, &st)) {
		say("--%s: %s is there already: remove it or name another file", option->name,
		    value);
		return EXIT_COPATCH;
	}
	if (setenv(option->env, path, 1)) {
		say("cannot set %s: %s", option->env, strerror(errno));
		return EXIT_COPATCH;
	}
	slash = strrchr(path, '/');
	if (slash)
		slash[1] = '\0';
	if (strlen(path) >= PATH_MAX || access(path, W_OK | X_OK)) {
		say("--%s: cannot make %s: %s", option->name, value,
		    strlen(path) >= PATH_MAX ? strerror(ENAMETOOLONG) : strerror(errno));
		return EXIT_COPATCH;
	}
	return EXIT_PROCEED;
}

/* "one of error|warn|debug", "the name of a file" */
static const char *choice(const struct copatch_option *option, const char **words)
{
	bool file = option->kind == COPATCH_OPT_FILE;

	*words = file ? "" : option->words;
	return file ? "the name of a file" : "one of ";
}

static int set(const struct copatch_option *option, const char *value)
{
	if (option->kind == COPATCH_OPT_FILE && *value)
		return set_file(option, value);
	if (copatch_option_value(option, value) < 0) {
		const char *words, *one = choice(option, &words);

		say("--%s cannot be '%s': give %s%s", option->name, value, one, words);
		return EXIT_COPATCH;
	}
	if (setenv(option->env, value, 1)) {
		say("cannot set %s: %s", option->env, strerror(errno));
		return EXIT_COPATCH;
	}
	return EXIT_PROCEED;
}

/* Reads one option at *ARGS, and says in *USED how many elements it took. */
static int read_one(char **args, int *used)
{
	const char *value = NULL;
	const struct copatch_option *option = NULL;

	*used = 1;
	if (!strncmp(args[0], "--", 2))
		option = find(args[0] + 2, &value);
	if (!option) {
		say("unknown option '%s': see copatch run --help", args[0]);
		return EXIT_COPATCH;
	}
	if (option->kind == COPATCH_OPT_FLAG) {
		if (!value)
			return set(option, "1");
		say("--%s takes no value: leave out '=%s'", option->name, value);
		return EXIT_COPATCH;
	}
	if (!value) {
		value = args[1];
		*used = 2;
	}
	if (!value) {
		const char *words, *one = choice(option, &words);

		say("--%s needs a value: %s%s", option->name, one, words);
		return EXIT_COPATCH;
	}
	return set(option, value);
}

/* Leaves in *USED how many elements come before the program. */
int options_read(char **args, int *used)
{
	int at = 0;

	while (args[at] && args[at][0] == '-' && args[at][1]) {
		int count, status;

		if (!strcmp(args[at], "--")) {
			at++;
			break;
		}
		status = read_one(args + at, &count);
		if (status != EXIT_PROCEED)
			return status;
		at += count;
	}
	*used = at;
	return EXIT_PROCEED;
}

static void say_unknown(const char *entry)
{
	char known[512];
	size_t used = 0;

	for (size_t i = 0; i < COPATCH_OPTIONS && used < sizeof(known); i++)
		used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
					 copatch_options[i].env);
	say("unknown variable %.*s: unset it, copatch knows %s", (int)strcspn(entry, "="), entry,
	    known);
}

int options_check_env(char *const *env)
{
	for (; *env; env++) {
		const struct copatch_option *option;
		const char *value;

		if (!copatch_is_env(*env))
			continue;
		option = copatch_option_of_env(*env, &value);
		if (!option) {
			say_unknown(*env);
			return EXIT_COPATCH;
		}
		if (*value && copatch_option_value(option, value) < 0) {
			say("%s cannot be '%s': give one of %s", option->env, value,
			    option->kind == COPATCH_OPT_FLAG ? "0|1" : option->words);
			return EXIT_COPATCH;
		}
	}
	return EXIT_PROCEED;
}

void options_print_help(void)
{
	for (size_t i = 0; i < COPATCH_OPTIONS; i++) {
		const struct copatch_option *option = &copatch_options[i];
		char option_text[128] = "";

		if (option->name)
			(void)snprintf(option_text, sizeof(option_text), "--%s%s%s", option->name,
				       option->words ? " " : "",
				       option->words ? option->words : "");
		printf("  %-24s  %-22s  %s\n", option_text, option->env, option->help);
	}
}
