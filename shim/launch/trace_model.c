/* SPDX-License-Identifier: MIT */
/* Adds up the events of a trace, in memory that a hostile file cannot make grow without end. */
#include "trace_model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more of `count`; false: the bound is reached, or *err says -ENOMEM. */
static bool grow(void **array, uint32_t count, uint32_t *room, uint32_t most, size_t size, int *err)
{
	uint32_t more = *room ? *room * 2 : 64;
	void *bigger;

	if (count >= most)
		return false;
	if (count < *room)
		return true;
	if (more > most)
		more = most;
	bigger = realloc(*array, more * size);
	if (!bigger) {
		*err = -ENOMEM;
		return false;
	}
	*array = bigger;
	*room = more;
	return true;
}

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

static uint64_t hash_text(const char *s, uint64_t h)
{
	while (*s)
		h = (h ^ (unsigned char)*s++) * 0x100000001b3ULL;
	return mix(h);
}

/* At most half full, always. */
static int table_make_room(struct trace_table *t, uint32_t most)
{
	if (t->slot)
		return 0;
	for (t->room = 64; t->room < 2 * most; t->room *= 2)
		;
	t->slot = calloc(t->room, sizeof(*t->slot));
	return t->slot ? 0 : -ENOMEM;
}

static struct trace_thread *find_thread(struct trace_model *m, uint64_t pid, uint64_t tid, int *err)
{
	struct trace_thread *th;
	uint64_t at;

	*err = table_make_room(&m->by_tid, TRACE_THREADS);
	if (*err)
		return NULL;
	for (at = mix(pid * 31 + tid);; at++) {
		uint32_t *slot = &m->by_tid.slot[at & (m->by_tid.room - 1)];

		if (!*slot) {
			if (!grow((void **)&m->thread, m->threads, &m->threads_room, TRACE_THREADS,
				  sizeof(*th), err))
				return NULL;
			th = &m->thread[m->threads++];
			memset(th, 0, sizeof(*th));
			th->pid = pid;
			th->tid = tid;
			th->span = TRACE_NONE;
			*slot = m->threads;
			return th;
		}
		th = &m->thread[*slot - 1];
		if (th->tid == tid && th->pid == pid)
			return th;
	}
}

static uint32_t find_what(struct trace_model *m, uint8_t cause, const char *text, int *err)
{
	struct trace_what *what;
	uint64_t at;

	*err = table_make_room(&m->by_text, TRACE_WHATS);
	if (*err)
		return TRACE_NONE;
	for (at = hash_text(text, cause);; at++) {
		uint32_t *slot = &m->by_text.slot[at & (m->by_text.room - 1)];

		if (!*slot) {
			if (!grow((void **)&m->what, m->whats, &m->whats_room, TRACE_WHATS,
				  sizeof(*what), err))
				return TRACE_NONE;
			what = &m->what[m->whats];
			memset(what, 0, sizeof(*what));
			what->cause = cause;
			memcpy(what->text, text, strlen(text));
			*slot = ++m->whats;
			return m->whats - 1;
		}
		what = &m->what[*slot - 1];
		if (what->cause == cause && !strcmp(what->text, text))
			return *slot - 1;
	}
}

static struct trace_pair *find_pair(struct trace_model *m, uint32_t thread, uint32_t what, int *err)
{
	struct trace_pair *pair;
	uint64_t at;

	*err = table_make_room(&m->by_pair, TRACE_PAIRS);
	if (*err)
		return NULL;
	for (at = mix((uint64_t)thread << 32 | what);; at++) {
		uint32_t *slot = &m->by_pair.slot[at & (m->by_pair.room - 1)];

		if (!*slot) {
			if (!grow((void **)&m->pair, m->pairs, &m->pairs_room, TRACE_PAIRS,
				  sizeof(*pair), err))
				return NULL;
			pair = &m->pair[m->pairs++];
			memset(pair, 0, sizeof(*pair));
			pair->thread = thread;
			pair->what = what;
			m->what[what].threads++;
			*slot = m->pairs;
			return pair;
		}
		pair = &m->pair[*slot - 1];
		if (pair->thread == thread && pair->what == what)
			return pair;
	}
}

/* Runs of a thread that are near to one another become one span, until half of the room is free. */
static void merge_spans(struct trace_model *m)
{
	uint64_t near = m->merged ? m->merged * 2 : 1000;

	for (; near < TRACE_TIME_MAX; near *= 2) {
		uint32_t kept = 0;

		for (uint32_t t = 0; t < m->threads; t++)
			m->thread[t].span = TRACE_NONE;
		for (uint32_t i = 0; m->span && i < m->spans; i++) {
			struct trace_span s = m->span[i], *last;
			struct trace_thread *th = &m->thread[s.thread];

			last = th->span == TRACE_NONE ? NULL : &m->span[th->span];
			if (last && s.begin - last->end < near) {
				last->end = s.end;
				last->busy += s.busy;
				last->what = s.what;
				continue;
			}
			th->span = kept;
			m->span[kept++] = s;
		}
		m->spans = kept;
		m->merged = near;
		if (kept <= TRACE_SPANS / 2)
			return;
	}
}

static int add_span(struct trace_model *m, uint32_t thread, uint64_t begin, uint64_t end)
{
	struct trace_thread *th = &m->thread[thread];
	struct trace_span *last = th->span == TRACE_NONE ? NULL : &m->span[th->span];
	int err = 0;

	if (last && begin - last->end < m->merged) {
		last->end = end;
		last->busy += end - begin;
		last->what = TRACE_NONE;
		return 0;
	}
	if (m->spans == TRACE_SPANS)
		merge_spans(m);
	if (!grow((void **)&m->span, m->spans, &m->spans_room, TRACE_SPANS, sizeof(*m->span), &err))
		return err;
	th->span = m->spans;
	m->span[m->spans++] = (struct trace_span){thread, TRACE_NONE, begin, end, end - begin};
	return 0;
}

static int add_run(struct trace_model *m, struct trace_thread *th, const struct trace_event *event)
{
	uint64_t begin = event->ts, end = begin + event->dur;
	unsigned step = event->dur ? 64 - (unsigned)__builtin_clzl(event->dur) : 0;

	/* Runs of one thread come one after the other: what does not is none of ours. */
	if (th->span != TRACE_NONE && begin < m->span[th->span].end) {
		m->bad_lines++;
		return 0;
	}
	th->runs++;
	th->ran += event->dur;
	if (th->last < end)
		th->last = end;
	m->runs++;
	m->ran += event->dur;
	if (step >= TRACE_STEPS)
		step = TRACE_STEPS - 1;
	m->step[step].count++;
	m->step[step].total += event->dur;
	return add_span(m, (uint32_t)(th - m->thread), begin, end);
}

static uint8_t cause_of(const char *category)
{
	static const char *const names[] = {"fd", "time", "queue", "helper", "signal"};

	for (uint8_t i = 0; i < CAUSE_UNKNOWN; i++)
		if (!strcmp(category, names[i]))
			return i;
	return CAUSE_UNKNOWN;
}

static int begin_wait(struct trace_model *m, struct trace_thread *th,
		      const struct trace_event *event)
{
	char text[sizeof(m->what->text)];
	int err;

	if (event->has_fd && event->more)
		(void)snprintf(text, sizeof(text), "%s fd %lu and %lu more", event->name, event->fd,
			       event->more);
	else if (event->has_fd)
		(void)snprintf(text, sizeof(text), "%s fd %lu", event->name, event->fd);
	else
		(void)snprintf(text, sizeof(text), "%s%s%s", event->name,
			       event->word[0] ? " at " : "", event->word);
	th->wait_what = find_what(m, cause_of(event->cat), text, &err);
	if (err)
		return err;
	th->waits = true;
	th->wait_began = event->ts;
	if (th->span != TRACE_NONE)
		m->span[th->span].what = th->wait_what;
	return 0;
}

static int end_wait(struct trace_model *m, struct trace_thread *th, uint64_t now, bool open)
{
	uint64_t took = now > th->wait_began ? now - th->wait_began : 0;
	struct trace_pair *pair;
	struct trace_what *what;
	int err;

	if (!th->waits)
		return 0;
	th->waits = false;
	m->waits++;
	m->wait_total += took;
	if (th->wait_what == TRACE_NONE)
		return 0;
	what = &m->what[th->wait_what];
	th->waited[what->cause] += took;
	what->count++;
	what->total += took;
	if (what->longest < took)
		what->longest = took;
	pair = find_pair(m, (uint32_t)(th - m->thread), th->wait_what, &err);
	if (!pair)
		return err;
	pair->count++;
	pair->total += took;
	pair->open = open;
	if (pair->longest < took)
		pair->longest = took;
	return 0;
}

static void name_it(struct trace_model *m, struct trace_thread *th, const struct trace_event *event)
{
	if (!strcmp(event->name, "thread_name"))
		memcpy(th->name, event->arg_name, sizeof(th->name));
	else if (!strcmp(event->name, "process_name"))
		memcpy(m->process, event->arg_name, sizeof(m->process));
}

int trace_model_event(struct trace_model *m, const struct trace_event *event)
{
	struct trace_thread *th;
	int err;

	th = find_thread(m, event->pid, event->tid, &err);
	if (!th) {
		m->untold++;
		return err;
	}
	if (event->phase == 'M') {
		name_it(m, th, event);
		return 0;
	}
	if (!event->has_ts || event->ts > TRACE_TIME_MAX || event->dur > TRACE_TIME_MAX) {
		m->bad_lines++;
		return 0;
	}
	if (!th->seen) {
		th->seen = true;
		th->first = event->ts;
	}
	if (!m->last || event->ts < m->first)
		m->first = event->ts;
	if (event->ts + event->dur > m->last)
		m->last = event->ts + event->dur;
	if (th->last < event->ts)
		th->last = event->ts;
	switch (event->phase) {
	case 'X':
		return event->has_dur ? add_run(m, th, event) : 0;
	case 'B':
		err = end_wait(m, th, event->ts, false);
		return err ? err : begin_wait(m, th, event);
	case 'E':
		return end_wait(m, th, event->ts, false);
	case 'i':
		if (!strcmp(event->name, "ends"))
			th->ended = true;
		else if (!strcmp(event->name, "begins"))
			th->by = event->by;
		return 0;
	default:
		m->bad_lines++;
		return 0;
	}
}

int trace_model_end(struct trace_model *m)
{
	for (uint32_t i = 0; i < m->threads; i++) {
		int err = 0;

		if (m->thread[i].waits) {
			m->thread[i].last = m->last;
			err = end_wait(m, &m->thread[i], m->last, true);
		}
		if (err)
			return err;
	}
	return 0;
}

void trace_model_free(struct trace_model *m)
{
	free(m->thread);
	free(m->what);
	free(m->pair);
	free(m->span);
	free(m->by_tid.slot);
	free(m->by_text.slot);
	free(m->by_pair.slot);
	memset(m, 0, sizeof(*m));
}
