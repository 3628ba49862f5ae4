/* SPDX-License-Identifier: MIT */
/* copatch doctor: the kernel, the libraries that copatch needs, and limits. */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <inttypes.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "doctor.h"
#include "sites.h"

#define HWCAP2_FSGSBASE (1 << 1) /* Documentation/arch/x86/x86_64/fsgs.rst */

static void check_kernel(struct doctor *doctor)
{
	const char *preload = getenv("LD_PRELOAD");
	const char *dispatch = "works";
	struct utsname name;
	int error = 0;

	/* A copatch around this command has taken the dispatch. */
	if (preload_has_copatch(preload))
		dispatch = "is in use around this command";
	else if ((error = kernel_dispatch_error()))
		dispatch = error == EINVAL ? "is missing" : "is refused";
	else if (!kernel_dispatch_works())
		dispatch = "does not work";
	(void)uname(&name);
	doctor_fact("kernel", "%s %s, Syscall User Dispatch %s", name.sysname, name.release,
		    dispatch);
	if (error == EINVAL)
		doctor_limit(doctor,
			     "without copatch, natively, because this kernel has no Syscall "
			     "User Dispatch (Linux 5.11 or newer has)");
	else if (error)
		doctor_limit(doctor,
			     "without copatch, natively, because Syscall User Dispatch is refused "
			     "here (%s; a seccomp filter or a sysctl?)",
			     strerror(error));
	else if (!strcmp(dispatch, "does not work"))
		doctor_refuse(doctor, EXIT_COPATCH,
			      "this kernel takes Syscall User Dispatch, but traps nothing");
	doctor_fact("processor", "%s",
		    getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE
			    ? "wrfsbase can be used: switches need no system call"
			    : "no wrfsbase: each switch costs a system call");
}

/* Where a library of this handle was found. */
static const char *place(void *lib)
{
	struct link_map *map;

	return lib && !dlinfo(lib, RTLD_DI_LINKMAP, &map) ? map->l_name : "?";
}

static void check_libraries(struct doctor *doctor)
{
	char path[PATH_MAX];
	void *ev = dlopen("libev.so.4", RTLD_NOW | RTLD_LOCAL);

	doctor_fact("libc", "glibc %s", gnu_get_libc_version());
	if (library_find(path, sizeof(path)) == EXIT_PROCEED)
		doctor_fact("copatch", "%s", path);
	else
		doctor_refuse(doctor, EXIT_COPATCH, "libcopatch.so cannot be used");
	doctor_fact("libev", "%s", ev ? place(ev) : "missing");
	if (!ev)
		doctor_refuse(doctor, EXIT_COPATCH, "libev.so.4 is missing: install libev4");
	doctor->side = sites_init();
	doctor_fact("Zydis", "%s", doctor->side ? "found" : "missing");
	if (!doctor->side)
		doctor_limit(doctor, "the side door stays shut, since libZydis of the version that "
				     "copatch was built with is missing: system calls that libc "
				     "makes inside cost a trap each");
}

/* The number in a file of /proc, 0 when it cannot be told. */
static unsigned long number(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long n = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu", &n) != 1)
		n = 0;
	(void)fclose(file);
	return n;
}

static const char *amount(rlim_t limit, unsigned long unit, const char *name, char out[32])
{
	if (limit == RLIM_INFINITY)
		return "no limit";
	(void)snprintf(out, 32, "%" PRIu64 "%s", (uint64_t)limit / unit, name);
	return out;
}

static void check_limits(void)
{
	unsigned long maps = number("/proc/sys/vm/max_map_count");
	unsigned long threads = number("/proc/sys/kernel/threads-max");
	struct rlimit files = {0}, stack = {0}, tasks = {0};
	char soft[32], hard[32];

	(void)getrlimit(RLIMIT_NOFILE, &files);
	(void)getrlimit(RLIMIT_STACK, &stack);
	(void)getrlimit(RLIMIT_NPROC, &tasks);
	doctor_fact("open files", "%s, at most %s (RLIMIT_NOFILE)",
		    amount(files.rlim_cur, 1, "", soft), amount(files.rlim_max, 1, "", hard));
	doctor_fact("stacks",
		    "%s of address space for a thread that asks for no size (RLIMIT_STACK)",
		    amount(stack.rlim_cur, 1024, " KiB", soft));
	doctor_fact("threads",
		    "natively %s (RLIMIT_NPROC) and %lu in all (kernel.threads-max); "
		    "coroutines do not count",
		    amount(tasks.rlim_cur, 1, "", soft), threads);
	if (maps)
		doctor_fact(
			"mappings",
			"%lu (vm.max_map_count): natively a stack takes two, under copatch many "
			"share one",
			maps);
}

void doctor_machine(struct doctor *doctor)
{
	puts("the machine");
	check_kernel(doctor);
	check_libraries(doctor);
	check_limits();
}
