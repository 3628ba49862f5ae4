/* SPDX-License-Identifier: MIT */
/*
 * Reads the coroutines of a process by its registry. The process runs meanwhile, and may be
 * hostile: every length, every link and every count is doubted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "eyes.h"

#define CARRIER_MAX 65536
#define THREAD_MAX  16384
#define COUNT_MAX   1250000 /* what a hostile list costs us at most: some 500 MB */
#define TRIES       20

/* Fields by size; the sizes of the others are what the reading code expects. */
static const uint8_t size_of[REG_FIELDS] = {
	[REG_CURRENT] = 8,     [REG_ALL] = 16,        [REG_CHARGED] = 8,     [REG_CYCLES_ALL] = 8,
	[REG_CPU_SEEN] = 8,    [REG_TIMER_ENTRY] = 8, [REG_TIMER_COUNT] = 4, [REG_DEADLINE] = 8,
	[REG_DEADLINE_CO] = 8, [REG_LINK] = 16,       [REG_REGS] = 144,      [REG_FS] = 8,
	[REG_AGAIN] = 8,       [REG_RUNNABLE] = 1,    [REG_SINCE] = 8,       [REG_SWITCHES] = 8,
	[REG_CYCLES] = 8,      [REG_CPU] = 8,         [REG_PARKED_BY] = 1,   [REG_TIMER_CLOCK] = 1,
	[REG_TIMER_POS] = 4,   [REG_QUEUE_KEY] = 8,   [REG_WAIT_FD] = 4,     [REG_WAIT_EVENTS] = 2,
	[REG_WAIT_NEXT] = 8,   [REG_TID] = 4,         [REG_NAME] = 16,       [REG_CLEAR_TID] = 8,
	[REG_CALL_NR] = 8,     [REG_CALL_ARG] = 48,   [REG_CALL_JOB] = 8,    [REG_SIGWAIT] = 8,
};

_Static_assert(sizeof(struct co_regs) == 144, "size_of");

static const struct registry_where *where(const struct copatch_registry *reg, enum registry_field f)
{
	return &reg->where[f];
}

/* What object a field is in: how far it may reach. */
static uint32_t room_of(const struct copatch_registry *reg, int f)
{
	if (f <= REG_TIMERS || f == REG_STUBS)
		return reg->carrier_size;
	if (f <= REG_TIMER_HEAP)
		return where(reg, REG_TIMER_HEAP)->size;
	if (f <= REG_DEADLINE_ALL)
		return where(reg, REG_DEADLINE_ALL)->size;
	if (f >= REG_WAIT_FD && f <= REG_WAIT_NEXT)
		return where(reg, REG_FD_WAIT)->size;
	return reg->thread_size;
}

const char *eyes_check(const struct copatch_registry *reg)
{
	if (memcmp(reg->magic, REGISTRY_MAGIC, sizeof(REGISTRY_MAGIC)) != 0)
		return "it does not begin as one";
	if (reg->version != REGISTRY_VERSION || reg->fields < REG_FIELDS ||
	    reg->size < sizeof(*reg))
		return "it is of another version of copatch: use the copatch command of that";
	if (reg->carrier_size > CARRIER_MAX || reg->thread_size > THREAD_MAX)
		return "its sizes make no sense";
	for (int f = 0; f < REG_FIELDS; f++) {
		const struct registry_where *w = &reg->where[f];

		if ((uint32_t)w->at + w->size > room_of(reg, f) || !w->size ||
		    (size_of[f] && w->size != size_of[f]))
			return "its fields make no sense";
	}
	if (where(reg, REG_TIMERS)->size < REGISTRY_CLOCKS * where(reg, REG_TIMER_HEAP)->size)
		return "its fields make no sense";
	return NULL;
}

/* A field of the object that `from` is a copy of; checked by eyes_check. */
static void get(const struct eyes_process *p, const void *from, enum registry_field f, void *to)
{
	const struct registry_where *w = where(&p->reg, f);

	memcpy(to, (const char *)from + w->at, w->size);
}

static uint64_t get64(const struct eyes_process *p, const void *from, enum registry_field f)
{
	uint64_t v;

	get(p, from, f, &v);
	return v;
}

struct look {
	struct eyes_process *p;
	struct eyes_snapshot *s;
	unsigned char carrier[CARRIER_MAX], thread[THREAD_MAX];
	uint64_t current, tsc;
	uint64_t now[REGISTRY_CLOCKS];
	uint64_t cpu_left;   /* nanoseconds of processor time that are not settled, */
	uint64_t cycles_all; /* and the counts that share them */
};

static void look_at_deadline(struct look *l, struct eyes_co *co)
{
	struct eyes_process *p = l->p;
	unsigned char heap[256], entry[256];
	uint32_t pos, count, heap_size = where(&p->reg, REG_TIMER_HEAP)->size;
	uint32_t entry_size = where(&p->reg, REG_DEADLINE_ALL)->size;
	int8_t clock;

	get(p, l->thread, REG_TIMER_POS, &pos);
	get(p, l->thread, REG_TIMER_CLOCK, &clock);
	if (!pos || clock < 0 || clock >= REGISTRY_CLOCKS || heap_size > sizeof(heap) ||
	    entry_size > sizeof(entry))
		return;
	memcpy(heap, l->carrier + where(&p->reg, REG_TIMERS)->at + (size_t)clock * heap_size,
	       heap_size);
	get(p, heap, REG_TIMER_COUNT, &count);
	(void)count; /* may have grown since */
	co->timed = true;
	co->left_ns = 0;
	if (!p->read(p, get64(p, heap, REG_TIMER_ENTRY) + (pos - 1UL) * entry_size, entry,
		     entry_size) ||
	    get64(p, entry, REG_DEADLINE_CO) != co->at) {
		co->timed = false; /* the heap has changed */
		return;
	}
	co->left_ns = (int64_t)(get64(p, entry, REG_DEADLINE) - l->now[clock]);
}

static void look_at_descriptors(struct look *l, struct eyes_co *co)
{
	struct eyes_process *p = l->p;
	const struct registry_where *w = where(&p->reg, REG_FD_WAIT);
	unsigned char wait[THREAD_MAX];

	memcpy(wait, l->thread + w->at, w->size);
	for (co->fds = 0; co->fds < 65536; co->fds++) {
		uint64_t next = get64(p, wait, REG_WAIT_NEXT);
		int fd;

		get(p, wait, REG_WAIT_FD, &fd);
		if (fd < 0)
			return;
		if (co->fds < EYES_FDS) {
			co->fd[co->fds].fd = fd;
			get(p, wait, REG_WAIT_EVENTS, &co->fd[co->fds].events);
		}
		if (!next || !p->read(p, next, wait, w->size)) {
			co->fds++;
			return;
		}
	}
}

static enum eyes_wait what_for(const struct eyes_co *co)
{
	if (co->state != EYES_PARKED)
		return WAIT_NOTHING;
	if (co->helper)
		return WAIT_HELPER;
	if (co->fds)
		return WAIT_FD;
	if (co->queue_key == 1)
		return WAIT_CHILD;
	if (co->queue_key)
		return WAIT_FUTEX;
	if (co->sigwait || !co->timed)
		return WAIT_SIGNAL;
	return WAIT_TIME;
}

static void look_at_state(struct look *l, struct eyes_co *co)
{
	uint64_t cycles = get64(l->p, l->thread, REG_CYCLES);
	uint64_t since = get64(l->p, l->thread, REG_SINCE);
	uint8_t runnable;

	get(l->p, l->thread, REG_RUNNABLE, &runnable);
	if (co->at == l->current)
		co->state = EYES_RUNNING;
	else if (runnable || !get64(l->p, l->thread, REG_AGAIN))
		co->state = EYES_RUNNABLE;
	else
		co->state = EYES_PARKED;
	co->helper = get64(l->p, l->thread, REG_CALL_JOB) && co->state == EYES_PARKED;
	if (co->state != EYES_RUNNING && since && l->tsc > since)
		co->since_ns = (uint64_t)((double)(l->tsc - since) * l->p->ns_per_tick);
	co->cpu_ns = get64(l->p, l->thread, REG_CPU);
	if (co->state == EYES_RUNNING && l->tsc > get64(l->p, l->carrier, REG_CHARGED))
		cycles += l->tsc - get64(l->p, l->carrier, REG_CHARGED);
	if (l->cycles_all && cycles <= l->cycles_all)
		co->cpu_ns +=
			(uint64_t)((double)l->cpu_left * (double)cycles / (double)l->cycles_all);
}

/* Bytes in use from `sp` up, 0: that is no stack of the thread's. */
static uint64_t stack_used(const struct eyes_process *p, const struct eyes_co *co, uint64_t sp)
{
	const struct eyes_map *m = eyes_map_of(p, sp);

	/* glibc puts struct pthread at the upper end of a thread's stack. */
	if (m && co->fs > sp && co->fs < m->end)
		return co->fs - sp;
	return m && m->file && !strcmp(m->file, "[stack]") ? m->end - sp : 0;
}

void eyes_stop_and_look(struct eyes_process *p, struct eyes_snapshot *s)
{
	p->live = false;
	if (!s->running || !eyes_stop_carrier(p))
		return;
	for (size_t i = 0; i < s->count; i++)
		if (s->co[i].at == p->live_co && stack_used(p, &s->co[i], p->live_regs.sp))
			s->co[i].stack = stack_used(p, &s->co[i], p->live_regs.sp);
}

static bool load_word(void *cookie, uint64_t at, uint32_t *word)
{
	struct look *l = cookie;

	return l->p->read(l->p, at, word, sizeof(*word));
}

static bool is_alive(void *cookie, uint32_t tid, uint64_t *clear_tid)
{
	struct look *l = cookie;
	const struct eyes_co *co = eyes_find(l->s, (int)tid);

	if (co)
		*clear_tid = co->clear_tid;
	return co;
}

/* What needs all of them to have been seen. */
static void look_at_owner(struct look *l, struct eyes_co *co)
{
	const struct owner_view view = {load_word, is_alive, l};
	uint32_t tid;

	if (co->wait != WAIT_FUTEX)
		return;
	co->owner_kind = owner_of(&view, co->queue_key, (int)co->arg[1], &tid);
	co->owner = co->owner_kind == OWNER_UNKNOWN ? 0 : (int)tid;
}

static struct eyes_co *new_entry(struct eyes_snapshot *s)
{
	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct eyes_co *more = realloc(s->co, room * sizeof(*more));

		if (!more)
			return NULL;
		s->co = more;
		s->room = room;
	}
	memset(&s->co[s->count], 0, sizeof(*s->co));
	return &s->co[s->count++];
}

static int look_at_one(struct look *l, uint64_t at)
{
	struct eyes_process *p = l->p;
	struct eyes_co *co = new_entry(l->s);

	if (!co)
		return -ENOMEM;
	co->at = at;
	get(p, l->thread, REG_TID, &co->tid);
	get(p, l->thread, REG_NAME, co->name);
	co->name[sizeof(co->name) - 1] = 0;
	get(p, l->thread, REG_REGS, &co->regs);
	co->fs = get64(p, l->thread, REG_FS);
	co->clear_tid = get64(p, l->thread, REG_CLEAR_TID);
	co->switches = get64(p, l->thread, REG_SWITCHES);
	co->queue_key = get64(p, l->thread, REG_QUEUE_KEY);
	co->sigwait = get64(p, l->thread, REG_SIGWAIT);
	get(p, l->thread, REG_CALL_ARG, co->arg);
	look_at_state(l, co);
	co->nr = -1;
	if (co->state == EYES_PARKED) {
		uint64_t nr = get64(p, l->thread, REG_CALL_NR);

		co->nr = nr < 512 ? (int)nr : -1;
		look_at_deadline(l, co);
		look_at_descriptors(l, co);
	}
	co->wait = what_for(co);
	co->stack = stack_used(p, co, co->regs.sp);
	if (p->start_at >= 0 && co->tid != p->reg.pid &&
	    !p->read(p, co->fs + (uint64_t)p->start_at, &co->start, sizeof(co->start)))
		co->start = 0;
	return 0;
}

/* False: the list has changed under us, or makes no sense. */
static bool walk(struct look *l, int *err)
{
	const struct registry_where *link = where(&l->p->reg, REG_LINK);
	uint64_t head = l->p->reg.carrier + where(&l->p->reg, REG_ALL)->at, before = head, at;

	l->s->count = 0;
	memcpy(&at, l->carrier + where(&l->p->reg, REG_ALL)->at, 8);
	for (size_t steps = 0; at != head; steps++) {
		uint64_t ends[2]; /* struct list */
		int tid;

		if (steps == COUNT_MAX || at < link->at ||
		    !l->p->read(l->p, at - link->at, l->thread, l->p->reg.thread_size))
			return false;
		memcpy(ends, l->thread + link->at, sizeof(ends));
		if (ends[1] != before)
			return false;
		get(l->p, l->thread, REG_TID, &tid);
		*err = tid ? look_at_one(l, at - link->at) : 0; /* 0: it is being born */
		if (*err)
			return false;
		before = at;
		at = ends[0];
	}
	return true;
}

static int look_at_carrier(struct look *l)
{
	struct eyes_process *p = l->p;
	uint64_t cpu, charged;

	if (!p->read(p, p->reg.carrier, l->carrier, p->reg.carrier_size))
		return -EIO;
	cpu = eyes_carrier_cpu(p);
	l->tsc = eyes_counts(p);
	for (int i = 0; i < REGISTRY_CLOCKS; i++) {
		struct timespec ts = {0, 0};

		clock_gettime(p->reg.clock[i], &ts);
		l->now[i] = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	}
	l->current = get64(p, l->carrier, REG_CURRENT);
	charged = get64(p, l->carrier, REG_CHARGED);
	l->cycles_all = get64(p, l->carrier, REG_CYCLES_ALL);
	if (l->current && l->tsc > charged)
		l->cycles_all += l->tsc - charged;
	l->cpu_left = get64(p, l->carrier, REG_CPU_SEEN);
	l->cpu_left = cpu > l->cpu_left ? cpu - l->cpu_left : 0;
	return 0;
}

static int by_tid(const void *a, const void *b)
{
	const struct eyes_co *x = a, *y = b;

	return (x->tid > y->tid) - (x->tid < y->tid);
}

const struct eyes_co *eyes_find(const struct eyes_snapshot *s, int tid)
{
	struct eyes_co key = {.tid = tid};

	return s->count ? bsearch(&key, s->co, s->count, sizeof(key), by_tid) : NULL;
}

int eyes_look(struct eyes_process *p, struct eyes_snapshot *s)
{
	struct look *l = malloc(sizeof(*l));
	int err = 0;

	if (!l)
		return -ENOMEM;
	l->p = p;
	l->s = s;
	s->torn = true;
	for (int try = 0; s->torn && !err && try < TRIES; try++) {
		err = look_at_carrier(l);
		if (!err)
			s->torn = !walk(l, &err);
		if (s->count == COUNT_MAX)
			break;
	}
	if (!err) {
		s->running = s->runnable = s->parked = 0;
		if (s->count)
			qsort(s->co, s->count, sizeof(*s->co), by_tid);
		for (size_t i = 0; i < s->count; i++) {
			look_at_owner(l, &s->co[i]);
			s->running += s->co[i].state == EYES_RUNNING;
			s->runnable += s->co[i].state == EYES_RUNNABLE;
			s->parked += s->co[i].state == EYES_PARKED;
		}
	}
	free(l);
	return err;
}

void eyes_forget(struct eyes_snapshot *s)
{
	free(s->co);
	memset(s, 0, sizeof(*s));
}
