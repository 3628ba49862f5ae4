/* SPDX-License-Identifier: MIT */
/*
 * The events of a trace. Each run of a thread is a complete event on the thread's track; between
 * two runs stands what it waits for, begun when it parks and ended when it goes on: a thread
 * that never does shows as one that still waits.
 */
#include "trace.h"

#include "../scheduler/raw.h"
#include "../scheduler/stamp.h"
#include "log.h"
#include "report.h"
#include "sys.h"
#include "trace_clock.h"
#include "trace_text.h"

static const char *const causes[PARK_CAUSES] = {"fd", "time", "queue", "helper", "signal", "yield"};

static struct {
	char path[4096];
	uint64_t limit;
	uint64_t told; /* the current run's part before this count has been written */
	bool on, open;
} trace;

/* How many bytes of a character in UTF-8 are at `s`, which ends in a 0; 0: it is none. */
static unsigned utf8(const unsigned char *s)
{
	unsigned n = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;

	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* A thread may have any bytes for a name. */
static void put_name(struct text *t, const char name[16])
{
	unsigned char s[17] = {0};

	__builtin_memcpy(s, name, 15);
	for (unsigned i = 0; s[i];) {
		unsigned n =
			s[i] >= ' ' && s[i] < 0x80 && s[i] != '"' && s[i] != '\\' ? 1 : utf8(s + i);

		if (!n) {
			TEXT(t, "\\u00");
			*t->at++ = "0123456789abcdef"[s[i] >> 4];
			*t->at++ = "0123456789abcdef"[s[i] & 15];
			i++;
		}
		while (n--)
			*t->at++ = (char)s[i++];
	}
}

static void stop(int err)
{
	trace.on = false;
	sched_hooks.left = NULL;
	if (err == -EFBIG)
		log_line(LOG_ERROR, "the trace has become as large as it may: it ends here");
	else
		log_line(LOG_ERROR, "cannot write the trace: error %d", (long)-err);
}

/* Events of `th` follow. */
static void start(struct text *t, const struct thread *th)
{
	static struct text_known pid;

	t->at = t->track;
	TEXT(t, "\",\"pid\":");
	text_known(t, &pid, (uint64_t)process_id);
	TEXT(t, ",\"tid\":");
	text_number(t, (uint64_t)th->tid);
	t->track_length = (unsigned)(t->at - t->track);
	t->at = t->room;
}

static void begin(struct text *t, char phase)
{
	if (t->at > t->room)
		TEXT(t, ",\n");
	TEXT(t, "{\"ph\":\"");
	*t->at++ = phase;
	__builtin_memcpy(t->at, t->track, sizeof(t->track));
	t->at += t->track_length;
}

static void begin_at(struct text *t, char phase, uint64_t ns)
{
	begin(t, phase);
	TEXT(t, ",\"ts\":");
	text_moment(t, ns);
}

static void write_out(struct text *t)
{
	int err = 0;

	if (trace.on)
		err = trace_file_put(t->room, (size_t)(t->at - t->room));
	if (err)
		stop(err);
}

static void put_names(const struct thread *th, bool process)
{
	struct text t;

	start(&t, th);
	begin(&t, 'M');
	if (process)
		TEXT(&t, ",\"name\":\"process_name\",\"args\":{\"name\":\"");
	else
		TEXT(&t, ",\"name\":\"thread_name\",\"args\":{\"name\":\"");
	put_name(&t, th->name);
	TEXT(&t, "\"}}");
	write_out(&t);
}

/* The child of a fork gets its file when there is something to write: most exec instead. */
static bool ready(void)
{
	int err;

	if (!trace.on || trace.open)
		return trace.on;
	trace.open = true;
	err = trace_file_open(trace.path, trace.limit);
	if (err) {
		stop(err);
		return false;
	}
	put_names(thread_of(co_current()), true);
	put_names(thread_of(co_current()), false);
	return trace.on;
}

/* What it waits for, as the scheduler still has it. */
static void put_wait(struct text *t, struct thread *th, uint64_t ns)
{
	const struct coroutine *co = &th->co;
	unsigned more = 0;

	begin_at(t, 'B', ns);
	TEXT(t, ",\"cat\":\"");
	text_string(t, causes[co->parked_by]);
	TEXT(t, "\",\"name\":\"");
	text_string(t, report_call_name(th->call.nr));
	*t->at++ = '"';
	if (co->fd.fd >= 0) {
		TEXT(t, ",\"args\":{\"fd\":");
		text_number(t, (uint64_t)co->fd.fd);
		for (const struct fd_wait *w = co->fd.next; w; w = w->next)
			more++;
		if (more) {
			TEXT(t, ",\"more\":");
			text_number(t, more);
		}
		*t->at++ = '}';
	} else if (co->queue_key && co->queue_key != WAIT_CHILD_KEY) {
		TEXT(t, ",\"args\":{\"word\":\"");
		text_hex(t, co->queue_key);
		TEXT(t, "\"}");
	}
	*t->at++ = '}';
	th->trace_waits = true;
}

static void put_run(struct text *t, struct thread *th, uint64_t began, uint64_t to)
{
	uint64_t from = trace_clock_ns(began < trace.told ? trace.told : began);

	if (th->trace_waits) {
		th->trace_waits = false;
		begin_at(t, 'E', from);
		*t->at++ = '}';
	}
	begin_at(t, 'X', from);
	TEXT(t, ",\"dur\":");
	text_time(t, to - from);
	TEXT(t, ",\"name\":\"run\"");
	if (th->co.runnable)
		TEXT(t, ",\"args\":{\"gave\":\"way\"}");
	*t->at++ = '}';
}

static void left(struct coroutine *co, uint64_t began, uint64_t now)
{
	struct thread *th = thread_of(co);
	struct text t;
	uint64_t to;

	if (!ready())
		return;
	trace_clock_settle(now);
	to = trace_clock_ns(now);
	start(&t, th);
	put_run(&t, th, began, to);
	if (!co->runnable)
		put_wait(&t, th, to);
	write_out(&t);
}

void trace_wanted(const char *path, uint64_t limit)
{
	size_t n = 0;

	for (; n < sizeof(trace.path) - 1 && path[n]; n++)
		trace.path[n] = path[n];
	trace.limit = limit;
}

void trace_start(void)
{
	if (!trace.path[0])
		return;
	trace.on = true;
	trace_clock_start();
	sched_hooks.left = left;
	(void)ready();
}

void trace_thread_begins(const struct thread *th, const struct thread *by)
{
	struct text t;

	if (!ready())
		return;
	put_names(th, false);
	start(&t, th);
	begin_at(&t, 'i', trace_clock_ns(stamp_now()));
	TEXT(&t, ",\"s\":\"t\",\"name\":\"begins\",\"args\":{\"by\":");
	text_number(&t, (uint64_t)by->tid);
	TEXT(&t, "}}");
	write_out(&t);
}

void trace_thread_ends(struct thread *th)
{
	uint64_t now = trace_clock_ns(stamp_now());
	struct text t;

	if (!ready())
		return;
	start(&t, th);
	put_run(&t, th, co_began(), now);
	begin_at(&t, 'i', now);
	TEXT(&t, ",\"s\":\"t\",\"name\":\"ends\"}");
	write_out(&t);
}

void trace_thread_named(const struct thread *th)
{
	if (ready())
		put_names(th, false);
}

void trace_end(void)
{
	struct coroutine *co = co_current();
	struct text t;

	/* A child that has written nothing has no file. */
	if (!trace.on || !trace.open)
		return;
	if (co) {
		start(&t, thread_of(co));
		put_run(&t, thread_of(co), co_began(), trace_clock_ns(stamp_now()));
		write_out(&t);
	}
	trace.on = false;
	trace_file_close();
}

/* The waits of all but the current thread end here, or begin again. */
static void put_waits(char phase, uint64_t ns)
{
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);
		struct text t;

		if (!th->trace_waits)
			continue;
		start(&t, th);
		if (phase == 'E') {
			begin_at(&t, 'E', ns);
			*t.at++ = '}';
		} else {
			put_wait(&t, th, ns);
		}
		write_out(&t);
	}
}

void trace_before_exec(struct thread *th)
{
	uint64_t now = stamp_now();
	struct text t;

	if (!trace.on || !trace.open)
		return;
	start(&t, th);
	put_run(&t, th, co_began(), trace_clock_ns(now));
	write_out(&t);
	trace.told = now;
	put_waits('E', trace_clock_ns(now));
}

void trace_exec_failed(void)
{
	if (trace.on && trace.open)
		put_waits('B', trace_clock_ns(stamp_now()));
}

void trace_after_fork(struct thread *th)
{
	th->trace_waits = false;
	trace_file_after_fork();
	trace.open = false;
}
