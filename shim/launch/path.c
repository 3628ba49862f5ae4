/* SPDX-License-Identifier: MIT */
/* Files as execve() and execvp() look for them. */
#include "path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int path_check(const char *path, struct stat *st)
{
	if (stat(path, st))
		return -errno;
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (!S_ISREG(st->st_mode))
		return -EACCES;
	if (faccessat(AT_FDCWD, path, X_OK, AT_EACCESS))
		return -errno;
	return 0;
}

static int join(char *path, size_t size, const char *folder, size_t n, const char *name)
{
	if (n >= size)
		return 0;
	return (size_t)snprintf(path, size, "%.*s%s%s", (int)n, folder, n ? "/" : "./", name) <
	       size;
}

/* Which errors end the search, and that a refusal is remembered, is as in glibc's execvpe.c. */
int path_search(const char *name, char *path, size_t size)
{
	char standard[64] = "", candidate[PATH_MAX];
	const char *folders = getenv("PATH");
	int result = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/'))
		return (size_t)snprintf(path, size, "%s", name) < size ? 0 : -ENAMETOOLONG;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	if (!folders) {
		confstr(_CS_PATH, standard, sizeof(standard));
		folders = standard;
	}
	for (;;) {
		size_t n = strcspn(folders, ":");
		struct stat st;
		int ret = -ENOENT;

		if (join(candidate, sizeof(candidate), folders, n, name))
			ret = path_check(candidate, &st);
		/* env(1) would say 126 for this: but a closed folder in PATH is no find */
		if (ret == -EACCES && stat(candidate, &st))
			ret = -ENOENT;
		switch (ret) {
		case 0:
			return (size_t)snprintf(path, size, "%s", candidate) < size ? 0
										    : -ENAMETOOLONG;
		case -EACCES:
		case -EISDIR:
			if (result == -ENOENT)
				(void)snprintf(path, size, "%s", candidate);
			result = -EACCES;
			break;
		case -ENOENT:
		case -ESTALE:
		case -ENOTDIR:
		case -ENODEV:
		case -ETIMEDOUT:
			break;
		default:
			return ret;
		}
		folders += n;
		if (!*folders++)
			return result;
	}
}
