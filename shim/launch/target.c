/* SPDX-License-Identifier: MIT */
/* Follows a program as the kernel, execvp() and env(1) would, and says what cannot work. */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf.h"
#include "path.h"
#include "script.h"
#include "secure.h"

/* exec_binprm() of fs/exec.c: so many #! lines, then a program, else ELOOP. */
#define SCRIPTS_MAX 5

/* A script whose env or sh runs a further script is a further execve(): natively without limit. */
#define EXECS_MAX 8

#define SHELL "/bin/sh"

/* What a step found; below zero is -errno. */
enum step {
	GOES = 0,
	REFUSED = 1,
};

struct walk {
	struct target_verdict *verdict;
	char program[PATH_MAX]; /* as it was found */
	char path[PATH_MAX];    /* the file being looked at */
	char asked[PATH_MAX];   /* the interpreter as it was named; empty: the program itself */
	struct script script;   /* the last #! line */
	int scripts;            /* so many #! lines led from this execve() to PATH */
};

__attribute__((format(printf, 3, 4))) static int refuse(struct walk *walk, int status,
							const char *format, ...)
{
	struct target_verdict *verdict = walk->verdict;
	const int named = walk->asked[0] != '\0';
	size_t used;
	va_list args;

	verdict->status = status;
	used = (size_t)snprintf(verdict->message, sizeof(verdict->message), "%s: %s%s%s",
				walk->program, named ? "its interpreter " : "", walk->asked,
				named ? ": " : "");
	va_start(args, format);
	if (used < sizeof(verdict->message))
		(void)vsnprintf(verdict->message + used, sizeof(verdict->message) - used, format,
				args);
	va_end(args);
	return REFUSED;
}

static int refuse_errno(struct walk *walk, int error)
{
	struct stat st;

	switch (error) {
	case ENOENT:
		if (!lstat(walk->path, &st))
			return refuse(walk, EXIT_NOT_FOUND, "a symbolic link to nothing");
		return refuse(walk, EXIT_NOT_FOUND, "no such file");
	case EISDIR:
		return refuse(walk, EXIT_CANNOT_RUN, "a folder, not a program");
	case EACCES:
		if (stat(walk->path, &st))
			return refuse(walk, EXIT_CANNOT_RUN,
				      "a folder on its way is closed to you");
		if (S_ISDIR(st.st_mode))
			return refuse(walk, EXIT_CANNOT_RUN, "a folder, not a program");
		if (!S_ISREG(st.st_mode))
			return refuse(walk, EXIT_CANNOT_RUN, "not a regular file");
		if (!(st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
			return refuse(walk, EXIT_CANNOT_RUN, "not executable: chmod +x it first");
		return refuse(walk, EXIT_CANNOT_RUN,
			      "you may not run it: see its mode, and for a noexec mount");
	default:
		return refuse(walk, EXIT_CANNOT_RUN, "%s", strerror(error));
	}
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A distribution may give glibc's loader further names, and musl's one of glibc's (gcompat). */
static int judge_loader(struct walk *walk, const char *loader)
{
	static const char *const of_glibc[] = {"ld-linux-x86-64.so.", "ld-2."};
	char real[PATH_MAX];
	struct stat st;

	if (!realpath(loader, real))
		real[0] = '\0';
	if (strstr(last_part(loader), "musl") || strstr(last_part(real), "musl"))
		return refuse(
			walk, EXIT_CANNOT_RUN,
			"linked with musl (loader %s), copatch needs glibc: use a glibc build",
			loader);
	if (path_check(loader, &st))
		return refuse(walk, EXIT_CANNOT_RUN,
			      "its loader %s is missing or not executable: install its libc",
			      loader);
	for (size_t i = 0; i < sizeof(of_glibc) / sizeof(of_glibc[0]); i++) {
		size_t n = strlen(of_glibc[i]);

		if (!strncmp(last_part(loader), of_glibc[i], n) ||
		    !strncmp(last_part(real), of_glibc[i], n))
			return GOES;
	}
	return refuse(walk, EXIT_CANNOT_RUN,
		      "its loader %s is not glibc's, copatch needs glibc: use a glibc build",
		      loader);
}

static int judge_secure(struct walk *walk, const struct stat *st)
{
	const char *reason = secure_reason(walk->path, st);

	if (!reason)
		return GOES;
	return refuse(walk, EXIT_CANNOT_RUN,
		      "%s, so the dynamic loader drops LD_PRELOAD: run copatch itself with the "
		      "rights that it needs",
		      reason);
}

static int judge_foreign(struct walk *walk, const struct elf_facts *facts)
{
	const char *name = elf_machine_name(facts->machine);
	char number[32];

	if (!name) {
		(void)snprintf(number, sizeof(number), "ELF machine %u", facts->machine);
		name = number;
	}
	return refuse(
		walk, EXIT_CANNOT_RUN,
		"for another machine (%s, %u bits), copatch is for x86-64 of 64 bits: use such "
		"a build",
		name, facts->bits);
}

static int judge_elf(struct walk *walk, int fd, const struct stat *st)
{
	struct elf_facts facts;
	int ret = elf_inspect_fd(fd, &facts);

	if (ret < 0)
		return refuse_errno(walk, -ret);
	switch (facts.kind) {
	case ELF_DYNAMIC:
		ret = judge_loader(walk, facts.interp);
		return ret == GOES ? judge_secure(walk, st) : ret;
	case ELF_STATIC:
		return refuse(walk, EXIT_CANNOT_RUN,
			      "statically linked, and copatch comes in by the dynamic loader: link "
			      "it dynamically");
	case ELF_SHARED:
		return refuse(walk, EXIT_CANNOT_RUN,
			      "a shared library or the loader itself: name the program to run");
	case ELF_FOREIGN:
		return judge_foreign(walk, &facts);
	case ELF_OTHER:
		return refuse(walk, EXIT_CANNOT_RUN, "an object file or a core, not a program");
	case ELF_DAMAGED:
		return refuse(walk, EXIT_CANNOT_RUN, "a damaged ELF file: %s", facts.damage);
	case ELF_NOT:
		break;
	}
	return -ENOEXEC;
}

/* Makes PATH of the walk an interpreter. NAMED is what messages call it. */
static int go_to(struct walk *walk, const char *path, const char *named)
{
	(void)snprintf(walk->asked, sizeof(walk->asked), "%s", named);
	if ((size_t)snprintf(walk->path, sizeof(walk->path), "%s", path) >= sizeof(walk->path))
		return refuse_errno(walk, ENAMETOOLONG);
	return GOES;
}

/* FD is the file of the walk. */
static int judge_file(struct walk *walk, int fd, const struct stat *st, int *again)
{
	char head[SCRIPT_HEAD];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return refuse_errno(walk, errno);
	if (!script_parse(head, (size_t)n, &walk->script)) {
		int ret = judge_elf(walk, fd, st);

		if (ret != -ENOEXEC || !script_is_binary(head, (size_t)n))
			return ret;
		return refuse(walk, EXIT_CANNOT_RUN,
			      "neither an ELF program nor a script: name what can run it");
	}
	if (walk->scripts++ == SCRIPTS_MAX)
		return refuse(walk, EXIT_CANNOT_RUN,
			      "more than %d scripts that are each other's interpreter",
			      SCRIPTS_MAX);
	*again = 1;
	if (!walk->script.interp[0])
		return refuse(walk, EXIT_CANNOT_RUN, "its #! line names no interpreter");
	return go_to(walk, walk->script.interp, walk->script.interp);
}

/* What execve() does with PATH of the walk: -ENOEXEC when it is text without a #! line. */
static int follow_execve(struct walk *walk)
{
	int again, ret;

	walk->scripts = 0;
	do {
		struct stat st;
		int fd;

		again = 0;
		ret = path_check(walk->path, &st);
		if (ret)
			return refuse_errno(walk, -ret);
		fd = open(walk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		/* one may run what one may not read: then its mode is all that can be judged */
		if (fd < 0)
			return errno == EACCES ? judge_secure(walk, &st)
					       : refuse_errno(walk, errno);
		ret = judge_file(walk, fd, &st, &again);
		close(fd);
	} while (ret == GOES && again);
	return ret;
}

/* Leaves in *MORE whether env runs a further program, which PATH of the walk then is. */
static int follow_env(struct walk *walk, int *more)
{
	char name[SCRIPT_HEAD], path[PATH_MAX];
	int ret;

	*more = 0;
	if (!walk->scripts || strcmp(last_part(walk->script.interp), "env") != 0)
		return GOES;
	switch (script_env(walk->script.arg, name)) {
	case ENV_RUNS:
		break;
	case ENV_CLEARS:
		return refuse(walk, EXIT_CANNOT_RUN,
			      "its #! line takes LD_PRELOAD out of the environment: name the "
			      "interpreter and the script yourself");
	default:
		return GOES;
	}
	ret = path_search(name, path, sizeof(path));
	*more = 1;
	if (!ret)
		return go_to(walk, path, path);
	if (go_to(walk, ret == -EACCES ? path : name, name) == REFUSED)
		return REFUSED;
	if (ret == -ENOENT)
		return refuse(walk, EXIT_NOT_FOUND, "not found in PATH");
	return refuse_errno(walk, -ret);
}

static int follow(struct walk *walk)
{
	for (int execs = 0; execs < EXECS_MAX; execs++) {
		int more = 1;
		int ret = follow_execve(walk);

		/* execvp(), of env too, hands to the shell what execve() does not know */
		if (ret == -ENOEXEC)
			ret = go_to(walk, SHELL, SHELL);
		else if (ret == GOES)
			ret = follow_env(walk, &more);
		if (ret != GOES || !more)
			return ret;
	}
	return refuse(walk, EXIT_CANNOT_RUN, "scripts that are each other's interpreter");
}

void target_inspect(const char *program, struct target_verdict *verdict)
{
	struct walk walk = {.verdict = verdict};
	int ret;

	verdict->status = EXIT_PROCEED;
	verdict->message[0] = '\0';
	(void)snprintf(walk.program, sizeof(walk.program), "%s", *program ? program : "''");
	ret = path_search(program, walk.path, sizeof(walk.path));
	if (!ret || ret == -EACCES)
		(void)snprintf(walk.program, sizeof(walk.program), "%s", walk.path);
	if (!ret)
		ret = follow(&walk);
	else if (ret == -ENOENT && !*program)
		ret = refuse(&walk, EXIT_NOT_FOUND, "the program's name is empty");
	else if (ret == -ENOENT)
		ret = refuse(&walk, EXIT_NOT_FOUND, "not found in PATH");
	else
		ret = refuse_errno(&walk, -ret);
	(void)ret;
	(void)snprintf(verdict->program, sizeof(verdict->program), "%s", walk.program);
	(void)snprintf(verdict->path, sizeof(verdict->path), "%s", walk.path);
}
