/* SPDX-License-Identifier: MIT */
/* A program and its libraries, breadth first, as the loader goes through them. */
#include "closure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elf.h"

#define SIZE_MAX_ALL (2UL << 30) /* of all files: a bound on the work */

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void fail(struct closure *closure, int by, const char *name, const char *reason)
{
	closure->fail(closure->cookie, by < 0 ? NULL : &closure->object[by], name, reason);
}

/* Whether the loader has it already, by what it is called. */
static bool known(const struct closure *closure, const char *name)
{
	for (int i = 0; i < closure->objects; i++) {
		const struct object *o = &closure->object[i];

		if (!strcmp(o->name, name) || (o->soname && !strcmp(o->soname, name)))
			return true;
	}
	return false;
}

/* Makes an entry for the file PATH; false when it is there by another name, or there is no room. */
static bool add(struct closure *closure, int by, const char *name, const char *path)
{
	struct object *o = &closure->object[closure->objects];
	struct stat st = {0};

	if (closure->objects == CLOSURE_MAX) {
		fail(closure, by, name, "there are too many libraries");
		return false;
	}
	if (!stat(path, &st))
		for (int i = 0; i < closure->objects; i++)
			if (closure->object[i].dev == st.st_dev &&
			    closure->object[i].ino == st.st_ino)
				return false;
	memset(o, 0, sizeof(*o));
	o->path = strdup(path);
	o->name = strdup(name);
	if (!o->path || !o->name) {
		free(o->path);
		free(o->name);
		fail(closure, by, name, strerror(ENOMEM));
		return false;
	}
	o->wanted_by = by;
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	closure->objects++;
	return true;
}

static void follow(struct closure *closure, int by, const struct image *image)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < image->needs; i++) {
		const char *name = image->needed[i];

		if (known(closure, name))
			continue;
		if (closure_search(closure, by, name, path, sizeof(path)))
			fail(closure, by, name, "not found");
		else
			(void)add(closure, by, name, path);
	}
}

static void look(struct closure *closure, int at)
{
	struct object *o = &closure->object[at];
	struct image *image = malloc(sizeof(*image));
	const char *damage;
	uint64_t size = 0;
	void *data = NULL;
	int ret = image ? image_read(o->path, &data, &size) : -ENOMEM;

	closure->size += size;
	if (ret) {
		fail(closure, o->wanted_by, o->path, strerror(-ret));
		goto out;
	}
	damage = closure->size > SIZE_MAX_ALL ? "there is too much to look at"
					      : image_parse(image, data, size);
	if (damage) {
		fail(closure, o->wanted_by, o->path, damage);
		goto free;
	}
	o->soname = copy(image->soname);
	o->rpath = copy(image->rpath);
	o->runpath = copy(image->runpath);
	o->no_default = image->no_default;
	closure->visit(closure->cookie, o, image);
	follow(closure, at, image);
free:
	free(data);
out:
	free(image);
}

void closure_walk(struct closure *closure, const char *program)
{
	char real[PATH_MAX];

	closure->objects = 0;
	closure->size = 0;
	/* the loader's $ORIGIN is that of /proc/self/exe */
	(void)add(closure, -1, program, realpath(program, real) ? real : program);
	for (int i = 0; i < closure->objects; i++)
		look(closure, i);
}

void closure_free(struct closure *closure)
{
	for (int i = 0; i < closure->objects; i++) {
		struct object *o = &closure->object[i];

		free(o->path);
		free(o->name);
		free(o->soname);
		free(o->rpath);
		free(o->runpath);
	}
}
