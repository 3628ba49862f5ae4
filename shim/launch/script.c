/* SPDX-License-Identifier: MIT */
/* The first line of a script. */
#include "script.h"

#include <string.h>

#define BLANKS " \t"

int script_parse(const char *head, size_t n, struct script *script)
{
	char line[SCRIPT_HEAD + 1] = "";
	char *at = line + 2, *end;
	size_t length;

	memcpy(line, head, n < SCRIPT_HEAD ? n : SCRIPT_HEAD);
	if (line[0] != '#' || line[1] != '!')
		return 0;
	end = memchr(line, '\n', SCRIPT_HEAD);
	at += strspn(at, BLANKS);
	/* a name that fills the buffer is cut off, and fs/binfmt_script.c runs no half of a name */
	if (!end && at + strcspn(at, BLANKS) == line + SCRIPT_HEAD)
		return 0;
	if (!end)
		end = line + SCRIPT_HEAD - 1;
	while (end > line + 2 && strchr(BLANKS, end[-1]) && end[-1])
		end--;
	if (at >= end)
		return 0;
	*end = '\0';
	length = strcspn(at, BLANKS);
	memcpy(script->interp, at, length);
	script->interp[length] = '\0';
	at += length;
	at += strspn(at, BLANKS);
	memcpy(script->arg, at, strlen(at) + 1);
	return 1;
}

/* As bash does: a NUL before the end of the first line. */
int script_is_binary(const char *head, size_t n)
{
	const char *end = memchr(head, '\n', n);

	return memchr(head, '\0', end ? (size_t)(end - head) : n) != NULL;
}

/* Options of env that do not change what is run. */
static int is_harmless(const char *word)
{
	static const char *const prefixes[] = {
		"--unset=",        "--debug",        "--default-signal",
		"--ignore-signal", "--block-signal", "--list-signal-handling",
	};

	if (!strcmp(word, "-v") || (!strncmp(word, "-u", 2) && word[2]))
		return 1;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(word, prefixes[i], strlen(prefixes[i])))
			return 1;
	return 0;
}

static int is_clearing(const char *word)
{
	return !strcmp(word, "-") || !strcmp(word, "-i") || !strcmp(word, "--ignore-environment") ||
	       !strcmp(word, "-uLD_PRELOAD") || !strcmp(word, "--unset=LD_PRELOAD");
}

/* TEXT is what follows -S: words as in a shell. Gives up at anything quoted. */
static enum env_says split(const char *text, char *name)
{
	static const char spaces[] = " \t\v\f\r\n";
	char word[SCRIPT_HEAD];

	for (;;) {
		size_t n;

		text += strspn(text, spaces);
		n = strcspn(text, spaces);
		if (!n || n >= sizeof(word))
			return ENV_UNKNOWN;
		memcpy(word, text, n);
		word[n] = '\0';
		text += n;
		if (strpbrk(word, "\\\"'$#"))
			return ENV_UNKNOWN;
		if (is_clearing(word))
			return ENV_CLEARS;
		if (word[0] == '-' && !is_harmless(word))
			return ENV_UNKNOWN;
		if (!strncmp(word, "PATH=", 5) || !strncmp(word, "LD_PRELOAD=", 11))
			return ENV_UNKNOWN;
		if (word[0] != '-' && !strchr(word, '=')) {
			memcpy(name, word, n + 1);
			return ENV_RUNS;
		}
	}
}

enum env_says script_env(const char *arg, char *name)
{
	static const char split_string[] = "--split-string=";
	const char *at = arg + 1;

	if (!strncmp(arg, split_string, sizeof(split_string) - 1))
		return split(arg + sizeof(split_string) - 1, name);
	if (arg[0] == '-') {
		at += strspn(at, "iv");
		if (*at != 'S')
			return ENV_UNKNOWN;
		return memchr(arg, 'i', (size_t)(at - arg)) ? ENV_CLEARS : split(at + 1, name);
	}
	/* without -S the line is one word, with its blanks */
	if (!*arg || strchr(arg, '='))
		return ENV_UNKNOWN;
	memcpy(name, arg, strlen(arg) + 1);
	return ENV_RUNS;
}
