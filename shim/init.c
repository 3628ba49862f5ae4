/* SPDX-License-Identifier: MIT */
/*
 * Start-up: options, checks, then the doors, in that order. In the library's constructor where it
 * was preloaded; where the program is linked with it, when that says so.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "copatch.h"
#include "blocked.h"
#include "crowd.h"
#include "deadlock.h"
#include "fdtab.h"
#include "interpose.h"
#include "log.h"
#include "memory.h"
#include "options.h"
#include "patch.h"
#include "preloaded.h"
#include "report.h"
#include "signals.h"
#include "sys.h"
#include "trace.h"
#include "trap.h"

#define EXIT_COPATCH 125 /* as env(1): it was not the program that failed */

#define HWCAP2_FSGSBASE (1 << 1) /* Documentation/arch/x86/x86_64/fsgs.rst */

extern char **environ;
extern const char __start_front_text[], __stop_front_text[];

static bool patching = true;
static uint64_t block_warn;

static bool bad_option(const char *entry)
{
	log_line(LOG_ERROR, "bad environment variable %s: see copatch(1), ENVIRONMENT", entry);
	return false;
}

/* The program may change its folder before it forks. */
static void want_trace(const char *path, int megabytes)
{
	char full[2 * PATH_MAX], folder[PATH_MAX];

	if (path[0] == '/')
		folder[0] = '\0';
	else if (!getcwd(folder, sizeof(folder)))
		return;
	(void)snprintf(full, sizeof(full), "%s%s%s", folder, folder[0] ? "/" : "", path);
	trace_wanted(full, (uint64_t)megabytes << 20);
}

static bool read_options(void)
{
	const char *trace = NULL;
	int trace_size = 200;
	bool no_preempt = false;

	for (char **e = environ; e && *e; e++) {
		const struct copatch_option *o;
		const char *value;
		int v;

		if (!copatch_is_env(*e))
			continue;
		o = copatch_option_of_env(*e, &value);
		if (!o)
			return bad_option(*e);
		if (!*value)
			continue;
		v = copatch_option_value(o, value);
		if (v < 0)
			return bad_option(*e);
		if (!strcmp(o->name, "stats"))
			report.wanted = v;
		else if (!strcmp(o->name, "slice"))
			preempt_slice((uint64_t)v * 1000000);
		else if (!strcmp(o->name, "no-preempt"))
			no_preempt = v;
		else if (!strcmp(o->name, "helpers"))
			helper_limit((unsigned)v);
		else if (!strcmp(o->name, "threads"))
			crowd_limit((unsigned long)v);
		else if (!strcmp(o->name, "block-warn"))
			block_warn = (uint64_t)v * 1000000;
		else if (!strcmp(o->name, "seed"))
			sched_seed((uint64_t)v);
		else if (!strcmp(o->name, "no-patch"))
			patching = !v;
		else if (!strcmp(o->name, "deadlock-abort"))
			deadlock_abort = v;
		else if (!strcmp(o->name, "trace"))
			trace = value;
		else if (!strcmp(o->name, "trace-size"))
			trace_size = v;
		else if (!strcmp(o->name, "log"))
			log_level = (enum log_level)v;
	}
	if (trace)
		want_trace(trace, trace_size);
	if (no_preempt)
		preempt_slice(0);
	return true;
}

struct object {
	const void *address; /* somewhere in it */
	const char *begin, *end;
};

/* The executable segment that an address of ours is in. */
static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct object *o = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		const char *begin = (const char *)info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) ||
		    (const char *)o->address < begin ||
		    (const char *)o->address >= begin + ph->p_memsz)
			continue;
		o->begin = begin;
		o->end = begin + ph->p_memsz;
		return 1;
	}
	return 0;
}

/*
 * Whether a function is libc's, by the name of its file: no symbol is safe to compare with, since
 * other preloaded libraries define what they like (libfaketime even getpid). Up to 2.33 many are
 * in libpthread.
 */
static bool is_libc(const void *sym)
{
	static const char *const names[] = {"libc.so.6", "libpthread.so.0"};
	struct link_map *of;
	Dl_info info;

	if (!dladdr1(sym, &info, (void **)&of, RTLD_DL_LINKMAP))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *handle = dlopen(names[i], RTLD_LAZY | RTLD_NOLOAD);

		if (!handle)
			continue;
		dlclose(handle);
		if (handle == of)
			return true;
	}
	return false;
}

/* Threads that exist already are the kernel's for good. */
static bool alone(void)
{
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	if (!dir)
		return true; /* no /proc: nothing speaks against it */
	for (struct dirent *d; (d = readdir(dir));)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n < 2;
}

static bool is_nobody(const void *sym)
{
	(void)sym;
	return false;
}

/* What the program shares with others already: its futexes are the kernel's. */
static void adopt_shared_memory(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char *line = NULL;
	size_t room = 0;

	if (!f)
		return;
	while (getline(&line, &room, f) > 0) {
		char *end, *mode;
		uint64_t from = strtoul(line, &end, 16),
			 to = *end ? strtoul(end + 1, &mode, 16) : 0;

		if (to && mode[0] == ' ' && strlen(mode) > 4 && mode[4] == 's')
			memory_add_shared(from, to);
	}
	free(line);
	(void)fclose(f);
}

static int open_doors(void)
{
	bool wrfsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
	struct object text = {.address = (const void *)co_syscall};
	int err;

	dl_iterate_phdr(find_text, &text);
	text_begin = text.begin;
	text_end = text.end;
	front_begin = __start_front_text;
	front_end = __stop_front_text;
	sched_hooks = (struct sched_hooks){
		.attend = sigreal_attend,
		.front = sys_enter_front,
		.again = sys_again,
		.finish = sys_finish,
		.tick = sigreal_tick,
		.before_run = signal_deliver,
		.blocked = blocked_tell,
		.stuck = deadlock_look,
	};
	err = sched_init(sizeof(struct thread), wrfsbase);
	if (!err)
		err = fdtab_init();
	if (!err)
		err = memory_init();
	if (!err)
		adopt_shared_memory();
	if (!err)
		err = signal_init();
	if (!err)
		err = thread_init();
	if (!err)
		err = sigreal_init();
	if (!err)
		err = trap_init();
	if (!err && patching && patch_init(dlsym(RTLD_NEXT, "__libc_fatal")))
		log_line(LOG_DEBUG, "no Zydis: the side door stays shut");
	return err;
}

static int start(void)
{
	int err;

	if (!alone())
		return -EBUSY;
	report_init();
	front_resolve(is_libc);
	err = open_doors();
	if (err) {
		front_resolve(is_nobody);
		return err;
	}
	loop_open(this_carrier());
	registry_open();
	sched_watch(block_warn);
	trace_start();
	front_open = true;
	return 0;
}

static void complain(int err)
{
	switch (err) {
	case -EBUSY:
		log_line(LOG_ERROR, "another library has made threads before copatch could: list "
				    "libcopatch.so last in LD_PRELOAD; the program runs natively");
		break;
	case -EINVAL:
		log_line(LOG_ERROR,
			 "this kernel has no Syscall User Dispatch (Linux 5.11 or newer): the "
			 "program runs natively, its threads stay kernel threads");
		break;
	case -EPERM:
		log_line(LOG_ERROR,
			 "Syscall User Dispatch is switched off here: the program runs natively, "
			 "its threads stay kernel threads");
		break;
	case -ELIBACC:
	case -ELIBBAD:
		log_line(LOG_ERROR, "libev.so.4 is missing or too old: install libev4");
		_exit(EXIT_COPATCH);
	default:
		log_line(LOG_ERROR, "cannot start: error %d", (long)-err);
		_exit(EXIT_COPATCH);
	}
}

/* Up to here, and where nothing is to be patched, the functions of the front door are libc's. */
__attribute__((constructor)) static void copatch_start(void)
{
	int err;

	front_resolve(is_nobody);
	if (!preloaded())
		return;
	if (!read_options())
		_exit(EXIT_COPATCH);
	err = start();
	if (err)
		complain(err);
}

int copatch_patch_all(void)
{
	static int failed;
	int err;

	if (front_open)
		return 0;
	if (failed)
		return failed;
	/* A thread that outlived main is alone too, but is not the one that the kernel calls so. */
	if (getpid() != gettid())
		return -EBUSY;
	if (!read_options())
		return -EINVAL;
	err = start();
	if (err == -EBUSY)
		return err; /* they may have ended the next time */
	/* What has been opened by then is not closed again. */
	return failed = err == -EINVAL ? -ENOSYS : err;
}
