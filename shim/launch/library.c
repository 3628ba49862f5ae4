/* SPDX-License-Identifier: MIT */
/* Where libcopatch.so is: beside the command (build tree) or in its lib folder (installed). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf.h"
#include "launch.h"

#define LIBRARY "libcopatch.so"

/* Cuts the last component off; "/copatch" leaves "". */
static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	*(slash ? slash : path) = '\0';
}

static int own_folder(char *path, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", path, size);

	if (n < 0 || (size_t)n >= size) {
		say("cannot tell where the copatch command is: /proc/self/exe: %s",
		    n < 0 ? strerror(errno) : strerror(ENAMETOOLONG));
		return EXIT_COPATCH;
	}
	path[n] = '\0';
	cut_last(path);
	return EXIT_PROCEED;
}

/* ld.so only grumbles about a library that it cannot load, and the program would run without. */
static int check(const char *path)
{
	struct elf_facts facts;
	int ret;

	/* ld.so parts the list at these, and expands what follows a dollar */
	if (strpbrk(path, " :$")) {
		say("%s: LD_PRELOAD cannot hold a path with ' ', ':' or '$': move copatch", path);
		return EXIT_COPATCH;
	}
	ret = elf_inspect_file(path, &facts);
	if (ret < 0) {
		say("%s: %s", path, strerror(-ret));
		return EXIT_COPATCH;
	}
	if (facts.kind != ELF_SHARED) {
		say("%s: not a shared library for this machine: build copatch again", path);
		return EXIT_COPATCH;
	}
	return EXIT_PROCEED;
}

int beside_find(const char *name, char *path, size_t size)
{
	char folder[PATH_MAX], beside[PATH_MAX];
	struct stat st;
	int status = own_folder(folder, sizeof(folder));

	if (status != EXIT_PROCEED)
		return status;
	if ((size_t)snprintf(beside, sizeof(beside), "%s/%s", folder, name) >= sizeof(beside))
		goto too_long;
	if (!stat(beside, &st)) {
		if ((size_t)snprintf(path, size, "%s", beside) >= size)
			goto too_long;
		return EXIT_PROCEED;
	}
	cut_last(folder);
	if ((size_t)snprintf(path, size, "%s/lib/copatch/%s", folder, name) >= size)
		goto too_long;
	if (!stat(path, &st))
		return EXIT_PROCEED;
	say("cannot find %s: neither %s nor %s is there: build or install copatch again", name,
	    beside, path);
	return EXIT_COPATCH;
too_long:
	say("%s: the path is too long: move copatch", folder);
	return EXIT_COPATCH;
}

int library_find(char *path, size_t size)
{
	int status = beside_find(LIBRARY, path, size);

	return status == EXIT_PROCEED ? check(path) : status;
}
