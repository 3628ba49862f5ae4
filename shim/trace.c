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

#define EVENT_MAX 1024

static const char *const causes[PARK_CAUSES] = {"fd", "time", "queue", "helper", "signal", "yield"};

static struct {
	char path[4096];
	uint64_t limit;
	uint64_t told; /* the current run's part before this count has been written */
	bool on, open;
} trace;

/* One or several events; and what is the same in all of a thread's. */
struct text {
	char *at;
	char room[EVENT_MAX];
	char track[64];
	unsigned track_length;
};

/* Nothing below writes more than EVENT_MAX: numbers, a call's name, a thread's name. */
#define PUT(t, literal)                                                    \
	do {                                                               \
		__builtin_memcpy((t)->at, (literal), sizeof(literal) - 1); \
		(t)->at += sizeof(literal) - 1;                            \
	} while (0)

static void put_string(struct text *t, const char *s)
{
	while (*s)
		*t->at++ = *s++;
}

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
			    "34353637383940414243444546474849505152535455565758596061626364656667"
			    "6869707172737475767778798081828384858687888990919293949596979899";

/* Two digits at a time: most of what is written are numbers. */
static char *to_digits(char *to, uint64_t n)
{
	char digits[24];
	unsigned i = sizeof(digits);

	while (n >= 100) {
		i -= 2;
		__builtin_memcpy(digits + i, pairs + n % 100 * 2, 2);
		n /= 100;
	}
	i -= 2;
	__builtin_memcpy(digits + i, pairs + n * 2, 2);
	if (n < 10)
		i++;
	while (i < sizeof(digits))
		*to++ = digits[i++];
	return to;
}

static void put_number(struct text *t, uint64_t n)
{
	t->at = to_digits(t->at, n);
}

static void put_hex(struct text *t, uint64_t n)
{
	int shift = 60;

	while (shift && !(n >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*t->at++ = "0123456789abcdef"[n >> shift & 15];
}

/* Microseconds, to the nanosecond. */
static void put_time(struct text *t, uint64_t ns)
{
	unsigned rest = (unsigned)(ns % 1000);

	put_number(t, ns / 1000);
	t->at[0] = '.';
	t->at[1] = (char)('0' + rest / 100);
	t->at[2] = (char)('0' + rest / 10 % 10);
	t->at[3] = (char)('0' + rest % 10);
	t->at += 4;
}

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
			PUT(t, "\\u00");
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
	t->at = t->track;
	PUT(t, "\",\"pid\":");
	put_number(t, (uint64_t)process_id);
	PUT(t, ",\"tid\":");
	put_number(t, (uint64_t)th->tid);
	t->track_length = (unsigned)(t->at - t->track);
	t->at = t->room;
}

static void begin(struct text *t, char phase)
{
	if (t->at > t->room)
		PUT(t, ",\n");
	PUT(t, "{\"ph\":\"");
	*t->at++ = phase;
	/* Whole words, since most are no longer than that; `room` has place for it. */
	for (unsigned i = 0; i < t->track_length; i += 8)
		__builtin_memcpy(t->at + i, t->track + i, 8);
	t->at += t->track_length;
}

static void begin_at(struct text *t, char phase, uint64_t ns)
{
	begin(t, phase);
	PUT(t, ",\"ts\":");
	put_time(t, ns);
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
		PUT(&t, ",\"name\":\"process_name\",\"args\":{\"name\":\"");
	else
		PUT(&t, ",\"name\":\"thread_name\",\"args\":{\"name\":\"");
	put_name(&t, th->name);
	PUT(&t, "\"}}");
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
	PUT(t, ",\"cat\":\"");
	put_string(t, causes[co->parked_by]);
	PUT(t, "\",\"name\":\"");
	put_string(t, report_call_name(th->call.nr));
	*t->at++ = '"';
	if (co->fd.fd >= 0) {
		PUT(t, ",\"args\":{\"fd\":");
		put_number(t, (uint64_t)co->fd.fd);
		for (const struct fd_wait *w = co->fd.next; w; w = w->next)
			more++;
		if (more) {
			PUT(t, ",\"more\":");
			put_number(t, more);
		}
		*t->at++ = '}';
	} else if (co->queue_key && co->queue_key != WAIT_CHILD_KEY) {
		PUT(t, ",\"args\":{\"word\":\"");
		put_hex(t, co->queue_key);
		PUT(t, "\"}");
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
	PUT(t, ",\"dur\":");
	put_time(t, to - from);
	PUT(t, ",\"name\":\"run\"");
	if (th->co.runnable)
		PUT(t, ",\"args\":{\"gave\":\"way\"}");
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
	PUT(&t, ",\"s\":\"t\",\"name\":\"begins\",\"args\":{\"by\":");
	put_number(&t, (uint64_t)by->tid);
	PUT(&t, "}}");
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
	PUT(&t, ",\"s\":\"t\",\"name\":\"ends\"}");
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
