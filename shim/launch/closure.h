/* SPDX-License-Identifier: MIT */
/* The libraries that the loader will bring in with a program, found without running anything. */
#ifndef COPATCH_LAUNCH_CLOSURE_H
#define COPATCH_LAUNCH_CLOSURE_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "image.h"

/* A bound on the work: large desktop programs have about two hundred. */
#define CLOSURE_MAX 512

struct object {
	char *path;
	char *name;                     /* as it was asked for; of the program itself its path */
	char *soname, *rpath, *runpath; /* NULL: none */
	bool no_default;
	int wanted_by; /* index; -1 for the program */
	dev_t dev;
	ino_t ino;
};

struct closure {
	struct object object[CLOSURE_MAX];
	int objects;
	uint64_t size; /* of all files so far */
	/* For each file, the program first. */
	void (*visit)(void *cookie, const struct object *object, const struct image *image);
	/* For what cannot be found or read. */
	void (*fail)(void *cookie, const struct object *wanted_by, const char *name,
		     const char *reason);
	void *cookie;
};

void closure_walk(struct closure *closure, const char *program);
void closure_free(struct closure *closure);

/* search.c: ld.so(8). 0 when PATH is what the loader would take for NAME, asked for by `by`. */
int closure_search(const struct closure *closure, int by, const char *name, char *path, size_t size)
	__attribute__((warn_unused_result));

/* cache.c: the file for NAME in a copy of /etc/ld.so.cache, NULL none. */
const char *cache_find(const void *cache, uint64_t size, const char *name);

#endif
