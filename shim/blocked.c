/* SPDX-License-Identifier: MIT */
/*
 * What the watchdog prints: who keeps the carrier, whether it computes, sits in a system call or
 * in a page fault, and its C stack. On the watchdog's thread, while the carrier may go on at any
 * moment: nothing that is read here is trusted.
 */
#include "blocked.h"

#include <fcntl.h>
#include <string.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "../scheduler/switch.h"
#include "../scheduler/watch.h"
#include "log.h"
#include "patch.h"
#include "report.h"
#include "signals.h"
#include "thread.h"
#include "unwind.h"

#define FRAMES 32
#define TRIES  4
#define PAUSE  3000000 /* nanoseconds between two looks */

#ifndef __NR_pidfd_getfd
#define __NR_pidfd_getfd 438
#endif

enum place { COMPUTES, IN_CALL, IN_FAULT, NOT_SEEN };

struct view {
	enum place place;
	bool at_door;     /* in our text: the program's registers are those that were saved */
	long nr;          /* of the system call, -1 none */
	char channel[64]; /* what the kernel waits in; empty unknown */
	uint64_t sp, ip;  /* of the carrier's, in the kernel */
	bool live;        /* `regs` are the carrier's */
	greg_t regs[NGREG];
};

/* The watchdog has no file of the program's open: the one that is 2 now, or silence. */
static bool borrow_stderr(void)
{
	long pidfd = raw2(__NR_pidfd_open, raw0(__NR_getpid), 0), fd;

	if (raw_failed(pidfd))
		return false;
	fd = raw3(__NR_pidfd_getfd, pidfd, 2, 0);
	if (!raw_failed(fd) && fd != 2)
		fd = raw3(__NR_dup3, fd, 2, O_CLOEXEC);
	return !raw_failed(fd);
}

/* "/proc/self/task/TID/NAME", up to the end of its first line. */
static bool read_proc(int tid, const char *name, char *to, size_t size)
{
	char path[64] = "/proc/self/task/", digits[16];
	size_t n = strlen(path), d = 0;
	long fd, got;

	do
		digits[d++] = (char)('0' + tid % 10);
	while (tid /= 10);
	while (d)
		path[n++] = digits[--d];
	path[n++] = '/';
	memcpy(path + n, name, strlen(name) + 1);
	fd = raw3(__NR_open, path, O_RDONLY | O_CLOEXEC, 0);
	if (raw_failed(fd))
		return false;
	got = raw3(__NR_read, fd, to, size - 1);
	raw1(__NR_close, fd);
	if (got <= 0)
		return false;
	to[got] = '\0';
	for (char *c = to; *c; c++)
		if (*c == '\n')
			*c = '\0';
	return true;
}

static uint64_t number(const char **p, unsigned base)
{
	uint64_t n = 0;

	for (;; (*p)++) {
		unsigned c = (unsigned char)**p;
		unsigned digit = c - '0' < 10 ? c - '0' : c - 'a' < 6 ? c - 'a' + 10 : 99;

		if (digit >= base)
			return n;
		n = n * base + digit;
	}
}

static bool ours(uint64_t ip)
{
	return (const char *)ip >= text_begin && (const char *)ip < text_end &&
	       !((const char *)ip >= front_begin && (const char *)ip < front_end);
}

/*
 * In our text it is mostly because of a tick, which comes together with our signal where the
 * processor was somebody else's: then the program was interrupted, or another look shows it.
 * Whoever is there each time is in a call.
 */
static void look_at_running(struct watch_report *r, struct view *v)
{
	v->place = NOT_SEEN;
	for (int i = 0; i < TRIES; i++) {
		struct timespec pause = {0, PAUSE};

		v->live = watch_registers(r, v->regs);
		if (!v->live)
			return;
		v->place = COMPUTES;
		v->at_door = ours((uint64_t)v->regs[REG_RIP]);
		if (!v->at_door)
			return;
		if ((const char *)v->regs[REG_RIP] == carrier_interrupted_entry)
			return;
		raw2(__NR_nanosleep, &pause, 0);
	}
	v->nr = 0; /* the one that the thread is in */
}

/* "running", "NR six arguments SP PC", or "-1 SP PC": in the kernel, and not by a system call. */
static void look(struct watch_report *r, struct view *v)
{
	char line[256];
	const char *p = line;

	v->nr = -1;
	if (!read_proc(r->carrier, "syscall", line, sizeof(line)) || *p == 'r') {
		look_at_running(r, v);
		return;
	}
	v->place = *p == '-' ? IN_FAULT : IN_CALL;
	p += *p == '-';
	v->nr = (long)number(&p, 10);
	if (v->place == IN_FAULT)
		v->nr = -1;
	v->at_door = v->place == IN_CALL;
	for (int i = v->place == IN_CALL ? -6 : 0; *p == ' '; i++) {
		p += strlen(" 0x");
		if (i < 0)
			number(&p, 16);
		else if (!i)
			v->sp = number(&p, 16);
		else
			v->ip = number(&p, 16);
	}
	if (v->place == IN_FAULT)
		v->at_door = ours(v->ip);
	if (!read_proc(r->carrier, "wchan", v->channel, sizeof(v->channel)) ||
	    !memcmp(v->channel, "0", 2))
		v->channel[0] = '\0';
}

/* Program text: the registers of the moment. At a door: those that it has saved. */
static void begin_stack(struct unwind *u, const struct coroutine *co, const struct view *v)
{
	static const uint8_t from[UNWIND_REGS] = {
		REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
		REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
	const struct co_regs *c = &co->regs;
	const uint64_t saved[UNWIND_REGS] = {c->ax,  c->dx,  c->cx,  c->bx,  c->si,  c->di,
					     c->bp,  c->sp,  c->r8,  c->r9,  c->r10, c->r11,
					     c->r12, c->r13, c->r14, c->r15, c->ip};

	for (int i = 0; i < UNWIND_REGS; i++)
		u->reg[i] = v->at_door ? saved[i] : v->live ? (uint64_t)v->regs[from[i]] : 0;
	/* Of a call it is the instruction after it. */
	u->exact = !v->at_door || v->nr < 0;
	/* The kernel tells no more of who waits for a page. */
	if (v->place == IN_FAULT && !v->at_door) {
		u->reg[UNWIND_SP] = v->sp;
		u->reg[UNWIND_IP] = v->ip;
	}
	u->reg[UNWIND_IP] = patch_ip_shown(u->reg[UNWIND_IP]);
}

static const char *file_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '/')
			name = path + 1;
	return name;
}

static void print_stack(struct unwind *u)
{
	for (unsigned long i = 0; i < FRAMES; i++) {
		uint64_t ip = u->reg[UNWIND_IP], in = ip - !u->exact, at;
		struct unwind_object o;
		char name[64];

		if (!unwind_object(in, &o))
			log_line(LOG_ERROR, "  #%u 0x%x", i, ip);
		else if (unwind_name(o.path, in - o.bias, name, &at))
			log_line(LOG_ERROR, "  #%u %s+0x%x (%s+0x%x)", i, name, at + !u->exact,
				 file_name(o.path), ip - o.bias);
		else
			log_line(LOG_ERROR, "  #%u %s+0x%x", i, file_name(o.path), ip - o.bias);
		if (!unwind_step(u))
			return;
	}
}

static void print_place(const struct view *v, const struct watch_report *r, const char *who,
			long tid, const char *name)
{
	unsigned long ms = r->ns / 1000000;

	switch (v->place) {
	case COMPUTES:
		log_line(LOG_ERROR,
			 "no switch for %u ms: %s%d%s computes%s%s, %u ms of processor time", ms,
			 who, tid, name, v->nr < 0 ? "" : " in the system call ",
			 v->nr < 0 ? "" : report_call_name(v->nr), r->cpu_ns / 1000000);
		break;
	case IN_CALL:
		log_line(LOG_ERROR, "no switch for %u ms: %s%d%s sits in the system call %s%s%s",
			 ms, who, tid, name, report_call_name(v->nr), v->channel[0] ? ", in " : "",
			 v->channel);
		break;
	case IN_FAULT:
		log_line(LOG_ERROR, "no switch for %u ms: %s%d%s sits in a page fault%s%s", ms, who,
			 tid, name, v->channel[0] ? ", in " : "", v->channel);
		break;
	case NOT_SEEN:
		if (r->starved) {
			log_line(LOG_ERROR, "no switch for %u ms: %s%d%s waits for a processor", ms,
				 who, tid, name);
			break;
		}
		log_line(LOG_ERROR, "no switch for %u ms: %s%d%s is at work in the kernel%s%s", ms,
			 who, tid, name, v->nr < 0 ? "" : ", at ",
			 v->nr < 0 ? "" : report_call_name(v->nr));
		break;
	}
}

/* " (name)", whatever bytes it has. */
static void copy_name(char to[24], const char name[16])
{
	size_t n = 0;

	to[n++] = ' ';
	to[n++] = '(';
	for (int i = 0; i < 15 && name[i]; i++)
		to[n++] = name[i] < ' ' || name[i] > '~' ? '?' : name[i];
	to[n++] = ')';
	to[n] = '\0';
}

static void tell(struct watch_report *r)
{
	struct view v = {.place = NOT_SEEN};
	struct unwind u;
	struct thread th = {.tid = 0};
	char name[24];

	look(r, &v);
	if (!r->co || !unwind_read((uint64_t)r->co, &th, sizeof(th))) {
		print_place(&v, r, "nobody, ", 0, " the loop itself");
		return;
	}
	if (v.place == COMPUTES && v.nr >= 0)
		v.nr = th.call.nr;
	/* It does not answer: at work for its last call, as a rule. */
	if (v.place == NOT_SEEN) {
		v.nr = th.call.nr;
		v.at_door = true;
	}
	copy_name(name, th.name);
	print_place(&v, r, "", th.tid, name);
	if (v.place == NOT_SEEN && r->starved)
		return; /* nobody knows where it was taken off */
	begin_stack(&u, &th.co, &v);
	print_stack(&u);
}

void blocked_tell(struct watch_report *r)
{
	if (borrow_stderr())
		tell(r);
	raw3(__NR_close_range, 0, ~0U, 0);
}
