/* SPDX-License-Identifier: MIT */
/*
 * What a C++ runtime keeps for each thread of exceptions that are being handled. There may be
 * none, and one may come later, with a library that is loaded: looked for only then again.
 */
#include <dlfcn.h>
#include <link.h>

#include "context.h"

static int loaded_so_far(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	*(unsigned long long *)arg = info->dlpi_adds;
	return 1;
}

static void *in_library(const char *name, const char *symbol)
{
	void *lib = dlopen(name, RTLD_LAZY | RTLD_NOLOAD), *found;

	if (!lib)
		return NULL;
	found = dlsym(lib, symbol);
	dlclose(lib);
	return found;
}

struct cxa_globals *cxa_find(void)
{
	static const char symbol[] = "__cxa_get_globals"; /* Itanium C++ ABI, 2.2.2 */
	static struct cxa_globals *(*get)(void);
	static unsigned long long looked;
	unsigned long long now = 0;
	void *found = (void *)__atomic_load_n(&get, __ATOMIC_RELAXED);

	if (!found) {
		dl_iterate_phdr(loaded_so_far, &now);
		if (now == __atomic_load_n(&looked, __ATOMIC_RELAXED))
			return NULL;
		found = dlsym(RTLD_DEFAULT, symbol);
		if (!found)
			found = in_library("libstdc++.so.6", symbol);
		if (!found)
			found = in_library("libc++abi.so.1", symbol);
		__atomic_store_n(&looked, now, __ATOMIC_RELAXED);
		if (!found)
			return NULL;
		__atomic_store_n(&get, (struct cxa_globals * (*)(void)) found, __ATOMIC_RELAXED);
	}
	return ((struct cxa_globals * (*)(void)) found)();
}
