/* SPDX-License-Identifier: MIT */
/* copatch doctor: a program and its libraries, as files. Nothing of them is run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "closure.h"
#include "doctor.h"
#include "elf.h"
#include "sites.h"
#include "target.h"

struct exam {
	struct doctor *doctor;
	struct closure closure;
	int64_t budget;
	unsigned long front;       /* bits of front_names */
	struct sites libc, others; /* sums; libc with its loader */
	bool go, uring, cut;
	char sites[CLOSURE_MAX][96]; /* what is said of each object */
};

static const char *const front_names[] = {
#define NEXT(name) #name,
#include "../interpose_list.h"
#undef NEXT
};

#define FRONT_NAMES (sizeof(front_names) / sizeof(front_names[0]))
_Static_assert(FRONT_NAMES <= 8 * sizeof(unsigned long), "exam.front has a bit for each");

/* What the program asks for and copatch cannot give, by what it imports. */
static const struct {
	const char *import, *limit;
} import_limits[] = {
	{"ptrace", "it can trace: a tracer sees one thread, and few of the system calls, of what "
		   "runs under copatch"},
	{"pkey_set", "protection keys that one thread sets hold for all"},
	{"pthread_setaffinity_np", "the affinity of threads does not bind"},
	{"pthread_setschedparam", "priorities of threads hold among themselves alone"},
	{"seccomp_load", "a seccomp filter that forbids epoll or timerfd calls would end it"},
	{"setns", "a namespace that one thread enters holds for all"},
	{"unshare", "a namespace that one thread enters holds for all"},
};

static const struct {
	const char *library, *limit;
} library_limits[] = {
	{"libasan.so", "LeakSanitizer reports what only threads hold that are alive at the end"},
	{"liblsan.so", "it reports what only threads hold that are alive at the end"},
};

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* read, and __read_chk, which is the same with a check of sizes. */
static bool is_front(const char *import, const char *name)
{
	size_t n = strlen(name);

	if (!strcmp(import, name))
		return true;
	return begins(import, "__") && begins(import + 2, name) && !strcmp(import + 2 + n, "_chk");
}

static void note_front(void *cookie, const char *import)
{
	struct exam *exam = cookie;

	for (size_t i = 0; i < FRONT_NAMES; i++)
		if (is_front(import, front_names[i]))
			exam->front |= 1UL << i;
	if (begins(import, "io_uring_"))
		exam->uring = true;
}

static void note_limits(void *cookie, const char *import)
{
	struct exam *exam = cookie;

	for (size_t i = 0; i < sizeof(import_limits) / sizeof(import_limits[0]); i++)
		if (!strcmp(import, import_limits[i].import))
			doctor_limit(exam->doctor, "%s", import_limits[i].limit);
}

/* Where glibc's own system calls are, before 2.34 too. */
static bool is_libc(const struct object *object)
{
	static const char *const names[] = {"libc.so.6", "ld-linux-x86-64.so.2", "libpthread.so.0",
					    "librt.so.1", "libanl.so.1"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(object->soname ? object->soname : object->name, names[i]))
			return true;
	return false;
}

static void visit(void *cookie, const struct object *object, const struct image *image)
{
	struct exam *exam = cookie;
	char *text = exam->sites[object - exam->closure.object];
	struct sites sites, *sum = is_libc(object) ? &exam->libc : &exam->others;

	sites_count(image, &exam->budget, &sites);
	sum->found += sites.found;
	sum->movable += sites.movable;
	sum->loose += sites.loose;
	exam->cut |= sites.cut;
	if (sites.found)
		(void)snprintf(text, sizeof(exam->sites[0]), ", system calls: %u%s", sites.found,
			       sites.cut ? " or more" : "");
	else if (sites.loose)
		(void)snprintf(text, sizeof(exam->sites[0]), ", system calls: %u or fewer",
			       sites.loose);
	if (!is_libc(object))
		image_imports(image, note_front, exam);
	if (object == exam->closure.object)
		image_imports(image, note_limits, exam);
	exam->go |= image->go;
	exam->uring |= begins(object->name, "liburing.so");
	for (size_t i = 0; i < sizeof(library_limits) / sizeof(library_limits[0]); i++)
		if (begins(object->name, library_limits[i].library))
			doctor_limit(exam->doctor, "%s", library_limits[i].limit);
}

static void fail(void *cookie, const struct object *by, const char *name, const char *reason)
{
	struct exam *exam = cookie;

	doctor_fact("", "%s: %s", name, reason);
	if (!strcmp(reason, "not found"))
		doctor_refuse(exam->doctor, EXIT_NOT_FOUND,
			      "%s, which %s needs, is not found: install it, or name its folder in "
			      "LD_LIBRARY_PATH",
			      name, by->path);
	else
		doctor_limit(exam->doctor, "%s could not be looked at: %s", name, reason);
}

static void print_libraries(const struct exam *exam)
{
	doctor_fact("file", "%s%s", exam->closure.object[0].path, exam->sites[0]);
	doctor_fact("libraries", "%d, and what it loads when it runs", exam->closure.objects - 1);
	for (int i = 1; i < exam->closure.objects; i++)
		doctor_fact("", "%s%s", exam->closure.object[i].path, exam->sites[i]);
}

static void print_doors(const struct exam *exam)
{
	char names[1024] = "";
	size_t used = 0;
	unsigned count = 0;

	for (size_t i = 0; i < FRONT_NAMES; i++) {
		if (!(exam->front & 1UL << i))
			continue;
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
					 count++ ? ", " : ": ", front_names[i]);
	}
	puts("\nthe doors");
	doctor_fact("front", "%u functions that it and its libraries call%s", count, names);
	if (exam->doctor->side)
		doctor_fact("side", "%u of %u system calls in libc%s, as they become hot",
			    exam->libc.movable, exam->libc.found,
			    exam->cut ? " that were looked at" : "");
	else
		doctor_fact("side", "shut");
	if (exam->others.found)
		doctor_fact("", "%u of %u system calls elsewhere", exam->others.movable,
			    exam->others.found);
	doctor_fact("back", "every other system call, of code that is made while it runs too");
}

static bool is_go(const char *path)
{
	struct image *image = malloc(sizeof(*image));
	void *data = NULL;
	uint64_t size;
	bool go = false;

	if (image && !image_read(path, &data, &size)) {
		go = !image_parse(image, data, size) && image->go;
		free(data);
	}
	free(image);
	return go;
}

void doctor_program(struct doctor *doctor, const char *program)
{
	struct exam *exam = calloc(1, sizeof(*exam));
	struct target_verdict target;

	puts("\nthe program");
	target_inspect(program, &target);
	if (strcmp(target.program, target.path) != 0)
		doctor_fact("script", "%s, run by the file below", target.program);
	if (target.status != EXIT_PROCEED) {
		doctor_fact("file", "%s", target.path);
		if (is_go(target.path))
			doctor_fact("Go", "yes");
		doctor_refuse(doctor, target.status, "%s", target.message);
	}
	if (!exam)
		doctor_refuse(doctor, EXIT_COPATCH, "there is not enough memory");
	if (target.status != EXIT_PROCEED || !exam)
		goto out;
	exam->doctor = doctor;
	exam->budget = SITES_BUDGET;
	exam->closure.visit = visit;
	exam->closure.fail = fail;
	exam->closure.cookie = exam;
	closure_walk(&exam->closure, target.path);
	print_libraries(exam);
	doctor_fact("rights", "it gains none when it starts");
	doctor_fact("Go", "%s", exam->go ? "yes" : "no");
	doctor_fact("io_uring", "%s",
		    exam->uring ? "yes: threads wait for a ring by way of the loop"
				: "none by liburing");
	if (exam->go)
		doctor_limit(doctor,
			     "Go's runtime makes threads without libc, which has been tried "
			     "with few programs");
	print_doors(exam);
	closure_free(&exam->closure);
out:
	free(exam);
}
