/* SPDX-License-Identifier: MIT */
/* What a coroutine waits for, in words. */
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "eyes.h"

#define SYNC_FRAMES 6 /* from the innermost: locks are not taken deeper than that in a library */

static const char *const call_names[512] = {
#include "sys_names.h"
};

const char *eyes_call_name(int nr)
{
	return nr >= 0 && nr < 512 ? call_names[nr] : NULL;
}

const char *eyes_wait_name(enum eyes_wait wait)
{
	static const char *const names[] = {"nothing", "descriptor", "time",  "futex",
					    "child",   "signal",     "helper"};

	return names[wait];
}

const char *eyes_sync_name(const struct eyes_co *co, const struct eyes_frame *frame,
			   unsigned frames)
{
	static const struct {
		const char *begin, *name;
	} known[] = {
		{"pthread_cond_", "condition variable"},
		{"cnd_", "condition variable"},
		{"sem_", "semaphore"},
		{"new_sem_wait", "semaphore"},
		{"pthread_barrier_", "barrier"},
		{"pthread_rwlock_", "rwlock"},
		{"pthread_mutex_", "mutex"},
		{"mtx_", "mutex"},
		{"pthread_join", "thread's end"},
		{"pthread_timedjoin", "thread's end"},
		{"pthread_clockjoin", "thread's end"},
		{"thrd_join", "thread's end"},
		{"pthread_once", "once"},
		{"gomp_", "OpenMP"},
		{"GOMP_", "OpenMP"},
	};

	if (co->owner_kind == OWNER_MUTEX)
		return "mutex";
	if (co->owner_kind == OWNER_RWLOCK)
		return "rwlock";
	if (co->owner_kind == OWNER_JOIN)
		return "thread's end";
	for (unsigned i = 0; i < frames && i < SYNC_FRAMES; i++) {
		const char *f = frame[i].function ? frame[i].function : frame[i].called;

		for (; f && *f == '_'; f++)
			;
		for (size_t k = 0; f && k < sizeof(known) / sizeof(known[0]); k++)
			if (!strncmp(f, known[k].begin, strlen(known[k].begin)))
				return known[k].name;
	}
	return NULL;
}

struct text {
	char *at;
	size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at, t->left, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->left)
		n = t->left ? (int)t->left - 1 : 0;
	t->at += n;
	t->left -= (size_t)n;
}

static void put_thread(struct text *t, const struct eyes_snapshot *s, int tid)
{
	const struct eyes_co *co = eyes_find(s, tid);

	put(t, "%d", tid);
	if (co)
		put(t, " (%s)", co->name);
}

static void put_descriptor(struct text *t, struct eyes_process *p, int fd)
{
	char file[300];

	descriptor_text(p->pid, fd, file, sizeof(file));
	put(t, " fd %d %s", fd, file);
}

static void put_descriptors(struct text *t, struct eyes_process *p, const struct eyes_co *co)
{
	/* Most calls wait for one; of the others the first shows best what they are about. */
	put(t, "%s", eyes_call_name(co->nr) ? eyes_call_name(co->nr) : "call");
	put_descriptor(t, p, co->fd[co->fds <= EYES_FDS ? co->fds - 1 : 0].fd);
	if (co->fds > 1)
		put(t, " and %u more", co->fds - 1);
}

static void put_futex(struct text *t, const struct eyes_snapshot *s, const struct eyes_co *co,
		      const char *name)
{
	if (co->owner_kind == OWNER_JOIN) {
		put(t, "end of ");
		put_thread(t, s, co->owner);
		return;
	}
	put(t, "%s %#lx", name ? name : "futex", co->queue_key);
	if (co->owner) {
		put(t, " held by ");
		put_thread(t, s, co->owner);
	}
}

static void put_child(struct text *t, const struct eyes_co *co)
{
	int which = (int)co->arg[0];

	if (co->nr == SYS_waitid)
		which = co->arg[0] == P_PID ? (int)co->arg[1] : -1;
	if (which > 0)
		put(t, "child %d", which);
	else
		put(t, "any child");
}

static void put_signals(struct text *t, const struct eyes_co *co)
{
	const char *before = " ";

	if (co->nr != SYS_rt_sigtimedwait) {
		put(t, "any signal");
		return;
	}
	put(t, "signal");
	for (int sig = 1; sig <= 64; sig++) {
		const char *name = sigabbrev_np(sig);

		if (!(co->sigwait >> (sig - 1) & 1))
			continue;
		if (name)
			put(t, "%s%s", before, name);
		else
			put(t, "%s%d", before, sig);
		before = ",";
	}
}

static void put_path(struct text *t, struct eyes_process *p, uint64_t at)
{
	char path[128];

	/* Byte by byte at the end of its page; most have far to go. */
	for (size_t i = 0; i < sizeof(path); i++) {
		if (i == sizeof(path) - 1 || !p->read(p, at + i, &path[i], 1))
			path[i] = 0;
		if (!path[i])
			break;
	}
	put(t, " %s", path);
}

static void put_helper(struct text *t, struct eyes_process *p, const struct eyes_co *co)
{
	put(t, "helper: %s", eyes_call_name(co->nr) ? eyes_call_name(co->nr) : "call");
	switch (co->nr) {
	case SYS_open:
		put_path(t, p, co->arg[0]);
		break;
	case SYS_openat:
		put_path(t, p, co->arg[1]);
		break;
	case SYS_futex:
		put(t, " %#lx, shared with other processes", co->arg[0]);
		break;
	case SYS_wait4:
	case SYS_waitid:
		put(t, " ");
		put_child(t, co);
		break;
	case SYS_flock:
	case SYS_fcntl:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_syncfs:
	case SYS_fallocate:
	case SYS_read:
	case SYS_write:
	case SYS_readv:
	case SYS_writev:
		put_descriptor(t, p, (int)co->arg[0]);
		break;
	default:
		break;
	}
}

void eyes_wait_text(struct eyes_process *p, const struct eyes_snapshot *s, const struct eyes_co *co,
		    const struct eyes_frame *frame, unsigned frames, char *text, size_t size)
{
	struct text t = {text, size};
	char left[32];

	*text = 0;
	switch (co->wait) {
	case WAIT_NOTHING:
		return;
	case WAIT_FD:
		put_descriptors(&t, p, co);
		break;
	case WAIT_TIME:
		put(&t, "%s", eyes_call_name(co->nr) ? eyes_call_name(co->nr) : "deadline");
		break;
	case WAIT_FUTEX:
		put_futex(&t, s, co, eyes_sync_name(co, frame, frames));
		break;
	case WAIT_CHILD:
		put_child(&t, co);
		break;
	case WAIT_SIGNAL:
		put_signals(&t, co);
		break;
	case WAIT_HELPER:
		put_helper(&t, p, co);
		break;
	}
	if (co->timed && co->left_ns > 0) {
		text_time((uint64_t)co->left_ns, left, sizeof(left));
		put(&t, ", %s left", left);
	} else if (co->timed) {
		put(&t, ", time is up");
	}
	text_clean(text);
}
