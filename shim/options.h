/* SPDX-License-Identifier: MIT */
/*
 * Every option: an entry here is all that a new one needs. `copatch run` takes it as --NAME and
 * sets the variable, the library reads the variable. Makes no call into libc, since the library
 * includes it too.
 */
#ifndef COPATCH_OPTIONS_H
#define COPATCH_OPTIONS_H

#include <stddef.h>

#define COPATCH_ENV_PREFIX "COPATCH_"

enum copatch_option_kind {
	COPATCH_OPT_FLAG,  /* --name, or VARIABLE=1; 0 is off */
	COPATCH_OPT_WORD,  /* --name WORD, or VARIABLE=WORD */
	COPATCH_OPT_COUNT, /* --name N, or VARIABLE=N, from 1 to the end of its range */
	COPATCH_OPT_FILE,  /* --name FILE, or VARIABLE=FILE; the command makes it absolute */
};

struct copatch_option {
	const char *name; /* NULL: a variable without an option */
	const char *env;
	enum copatch_option_kind kind;
	const char
		*words; /* of a WORD: what it may be, "a|b|c"; of a COUNT: "1..END"; else a name */
	const char *help;
};

static const struct copatch_option copatch_options[] = {
	{"stats", "COPATCH_STATS", COPATCH_OPT_FLAG, NULL, "print counters on stderr at exit"},
	{"slice", "COPATCH_SLICE", COPATCH_OPT_COUNT, "1..10000",
	 "let a thread that computes run so many milliseconds at a time (10)"},
	{"no-preempt", "COPATCH_NO_PREEMPT", COPATCH_OPT_FLAG, NULL,
	 "let a thread that computes run until it waits"},
	{"helpers", "COPATCH_HELPERS", COPATCH_OPT_COUNT, "1..10000",
	 "let so many slow calls for files be made at once (8)"},
	{"threads", "COPATCH_THREADS", COPATCH_OPT_COUNT, "1..999999999",
	 "refuse the program more threads than so many at a time"},
	{"block-warn", "COPATCH_BLOCK_WARN", COPATCH_OPT_COUNT, "1..1000000",
	 "tell who keeps the carrier for so many milliseconds, and where"},
	{"trace", "COPATCH_TRACE", COPATCH_OPT_FILE, "FILE",
	 "write what the threads do and wait for into FILE, for copatch report"},
	{"trace-size", "COPATCH_TRACE_SIZE", COPATCH_OPT_COUNT, "1..10000",
	 "end the trace after so many megabytes (200)"},
	{"seed", "COPATCH_SEED", COPATCH_OPT_COUNT, "1..999999999",
	 "let chance decide who goes on, with the same choices for the same number"},
	{"no-patch", "COPATCH_NO_PATCH", COPATCH_OPT_FLAG, NULL,
	 "leave the program's text as it is: no side door"},
	{"deadlock-abort", "COPATCH_DEADLOCK_ABORT", COPATCH_OPT_FLAG, NULL,
	 "abort when every thread waits and nothing can end it"},
	{"log", "COPATCH_LOG", COPATCH_OPT_WORD, "error|warn|debug", "report from this level up"},
};

#define COPATCH_OPTIONS (sizeof(copatch_options) / sizeof(copatch_options[0]))

/* The length of NAME when TEXT begins with it and ends there or at END, else 0. */
static inline size_t copatch_starts_with(const char *text, const char *name, char end)
{
	size_t n = 0;

	while (name[n] && text[n] == name[n])
		n++;
	return !name[n] && (!text[n] || text[n] == end) ? n : 0;
}

/* ENTRY is an element of environ. Leaves *VALUE at what follows the '='. */
static inline const struct copatch_option *copatch_option_of_env(const char *entry,
								 const char **value)
{
	for (size_t i = 0; i < COPATCH_OPTIONS; i++) {
		size_t n = copatch_starts_with(entry, copatch_options[i].env, '=');

		if (n && entry[n]) {
			*value = entry + n + 1;
			return &copatch_options[i];
		}
	}
	return NULL;
}

/* Whether ENTRY of environ is in copatch's name space, known or not. */
static inline int copatch_is_env(const char *entry)
{
	size_t n = 0;

	while (COPATCH_ENV_PREFIX[n] && entry[n] == COPATCH_ENV_PREFIX[n])
		n++;
	return !COPATCH_ENV_PREFIX[n];
}

/* RANGE is "1..END", END at most 999999999: no sum below overflows. */
static inline int copatch_count(const char *value, const char *range)
{
	long n = 0, end = 0;

	for (range += 3; *range; range++)
		end = end * 10 + *range - '0';
	for (; *value >= '0' && *value <= '9' && n <= end; value++)
		n = n * 10 + *value - '0';
	return *value || n < 1 || n > end ? -1 : (int)n;
}

/*
 * What VALUE means: 0 or 1 for a flag, the place in the list for a word, the number for a count,
 * 0 for a file, -1 when it is none of them. An empty value is the same as an unset variable: ask
 * nothing about it.
 */
static inline int copatch_option_value(const struct copatch_option *option, const char *value)
{
	const char *word = option->kind == COPATCH_OPT_FLAG ? "0|1" : option->words;

	if (option->kind == COPATCH_OPT_COUNT)
		return copatch_count(value, option->words);
	if (option->kind == COPATCH_OPT_FILE)
		return *value ? 0 : -1;
	for (int place = 0;; place++) {
		size_t n = 0;

		while (value[n] && value[n] != '|' && value[n] == word[n])
			n++;
		if (n && !value[n] && (!word[n] || word[n] == '|'))
			return place;
		while (*word && *word != '|')
			word++;
		if (!*word++)
			return -1;
	}
}

#endif
