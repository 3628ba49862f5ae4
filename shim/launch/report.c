/* SPDX-License-Identifier: MIT */
/* copatch report: reads a trace, writes a page that shows it. */
#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch.h"

/* One line into `line`, without its end; what has no room is dropped and *whole false. */
static bool next_line(FILE *in, char *line, size_t *n, bool *whole)
{
	int c = EOF;

	*n = 0;
	*whole = true;
	while ((c = getc_unlocked(in)) != EOF && c != '\n') {
		if (*n < TRACE_LINE)
			line[(*n)++] = (char)c;
		else if (c != ' ')
			*whole = false; /* spaces: what a file that was never ended ends in */
	}
	return c != EOF || *n;
}

/* The array's brackets, or nothing. */
static bool no_event(const char *line, size_t n)
{
	while (n && (line[0] == ' ' || line[0] == '['))
		line++, n--;
	while (n && (line[n - 1] == ' ' || line[n - 1] == ']' || line[n - 1] == ','))
		n--;
	return !n;
}

int report_read(FILE *in, struct trace_model *m)
{
	char line[TRACE_LINE];
	struct trace_event event;
	uint64_t events = 0;
	size_t n;
	bool whole;
	int err = 0;

	while (!err && next_line(in, line, &n, &whole)) {
		size_t skip = 0;

		if (no_event(line, n))
			continue;
		while (skip < n && (line[skip] == ' ' || (line[skip] == '[' && !events)))
			skip++;
		if (!whole || !trace_read_line(line + skip, n - skip, &event)) {
			m->bad_lines++;
			continue;
		}
		events++;
		err = trace_model_event(m, &event);
	}
	if (!err && ferror(in))
		err = -EIO;
	if (!err)
		err = trace_model_end(m);
	return err ? err : events ? 0 : -EINVAL;
}

static int read_trace(const char *path, struct trace_model *m)
{
	struct stat st;
	FILE *in = fopen(path, "rbe");
	int err = 0;

	if (!in || fstat(fileno(in), &st))
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else
		err = report_read(in, m);
	if (err == -EINVAL)
		say("%s: no trace of copatch run --trace", path);
	else if (err)
		say("cannot read %s: %s", path, strerror(-err));
	if (in)
		(void)fclose(in);
	return err;
}

/*
 * The page is made under another name beside it, for its owner alone, and takes the place of
 * `path` once it is whole. A link there is not followed: it may lead into somebody else's file.
 */
static int write_page(const char *path, const struct trace_model *m, const char *source)
{
	char made[PATH_MAX];
	struct stat st;
	FILE *out;
	int fd, bad;

	if (!lstat(path, &st) && !S_ISREG(st.st_mode)) {
		say("%s is not a regular file: name another for the report", path);
		return EXIT_COPATCH;
	}
	if ((size_t)snprintf(made, sizeof(made), "%s.XXXXXX", path) >= sizeof(made)) {
		say("cannot write %s: %s", path, strerror(ENAMETOOLONG));
		return EXIT_COPATCH;
	}
	fd = mkostemp(made, O_CLOEXEC); /* O_EXCL, 0600 */
	out = fd < 0 ? NULL : fdopen(fd, "wb");
	if (!out) {
		say("cannot write %s: %s", path, strerror(errno));
		return EXIT_COPATCH;
	}
	report_page(out, m, source);
	bad = ferror(out);
	bad |= fclose(out);
	if (!bad && !rename(made, path))
		return 0;
	say("cannot write %s: %s", path, strerror(errno));
	(void)unlink(made);
	return EXIT_COPATCH;
}

int report_command(char **args)
{
	struct trace_model m = {0};
	const char *in = NULL, *out = NULL;
	bool options = true;
	int status = EXIT_COPATCH;

	for (; *args; args++) {
		if (options && !strcmp(*args, "--")) {
			options = false;
		} else if (options && !strncmp(*args, "-o", 2)) {
			out = (*args)[2] ? *args + 2 : args[1] ? *++args : "";
		} else if (options && (*args)[0] == '-') {
			say("unknown option '%s': see copatch report --help", *args);
			return EXIT_COPATCH;
		} else if (in) {
			say("one trace at a time: '%s' is one too many", *args);
			return EXIT_COPATCH;
		} else {
			in = *args;
		}
	}
	if (!in || !out || !*out) {
		say("say what to read and what to write: copatch report FILE -o REPORT.html");
		return EXIT_COPATCH;
	}
	if (!read_trace(in, &m))
		status = write_page(out, &m, in);
	trace_model_free(&m);
	return status;
}
