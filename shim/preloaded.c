/* SPDX-License-Identifier: MIT */
/*
 * Was the library preloaded, or does the program or one of its libraries need it? Both may be
 * so, and ld.so does not tell: it loads the file once, and takes either as the reason.
 */
#include "preloaded.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char separators[] = " :\t\n"; /* ld.so(8) */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *string_of(const struct link_map *lm, Elf64_Sxword tag, size_t *nth)
{
	const char *strings = NULL;
	size_t left = *nth;

	for (const Elf64_Dyn *d = lm->l_ld; d->d_tag != DT_NULL; d++)
		if (d->d_tag == DT_STRTAB)
			strings = (const char *)d->d_un.d_ptr;
	for (const Elf64_Dyn *d = lm->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag != tag || left--)
			continue;
		++*nth;
		return strings + d->d_un.d_val;
	}
	return NULL;
}

struct self {
	const char *path, *soname;
	const struct link_map *map;
	struct stat st;
};

static bool find_self(struct self *self)
{
	void *map = NULL;
	size_t nth = 0;
	Dl_info info;

	if (!dladdr1((void *)preloaded, &info, &map, RTLD_DL_LINKMAP) || !map)
		return false;
	self->map = map;
	self->path = self->map->l_name;
	self->soname = string_of(map, DT_SONAME, &nth);
	return !stat(self->path, &self->st);
}

/* An entry of a list of preloads. What ld.so would search or expand is compared by its name. */
static bool names(const struct self *self, const char *entry)
{
	struct stat st;

	if (strchr(entry, '/') && !strchr(entry, '$'))
		return !stat(entry, &st) && st.st_dev == self->st.st_dev &&
		       st.st_ino == self->st.st_ino;
	return !strcmp(last_part(entry), last_part(self->path)) ||
	       (self->soname && !strcmp(last_part(entry), self->soname));
}

static bool listed(const struct self *self, const char *list)
{
	char *copy = strdup(list), *rest = NULL;
	bool found = false;

	if (!copy)
		return false;
	for (char *at = strtok_r(copy, separators, &rest); at && !found;
	     at = strtok_r(NULL, separators, &rest))
		found = names(self, at);
	free(copy);
	return found;
}

static bool in_system_list(const struct self *self)
{
	FILE *f = fopen("/etc/ld.so.preload", "re");
	bool found = false;
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return false;
	while (!found && getline(&line, &room, f) > 0) {
		line[strcspn(line, "#")] = '\0';
		found = listed(self, line);
	}
	free(line);
	(void)fclose(f);
	return found;
}

static bool needed_by(const struct link_map *lm, const struct self *self)
{
	const char *name;

	for (size_t nth = 0; (name = string_of(lm, DT_NEEDED, &nth));)
		if (names(self, name))
			return true;
	return false;
}

/*
 * Nobody needs it: then it is a preload (ld.so --preload, for one), if it comes before the
 * libraries that are needed, of which libc is one; else somebody has called dlopen.
 */
static bool unneeded(const struct self *self)
{
	const struct link_map *first = self->map;
	bool before_libc = true, passed = false;
	void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD); /* a handle is a link map */

	if (!libc)
		return false;
	dlclose(libc);
	while (first->l_prev)
		first = first->l_prev;
	for (const struct link_map *lm = first; lm; lm = lm->l_next) {
		if (lm != self->map && lm->l_ld && needed_by(lm, self))
			return false;
		if (lm == libc && !passed)
			before_libc = false;
		passed |= lm == self->map;
	}
	return before_libc;
}

bool preloaded(void)
{
	const char *list = getenv("LD_PRELOAD");
	struct self self = {0};

	if (!find_self(&self))
		return true;
	return (list && listed(&self, list)) || in_system_list(&self) || unneeded(&self);
}
