/* SPDX-License-Identifier: MIT */
/*
 * The event loop: who waits for which descriptor. What changes between two looks at it is only
 * noted; libev hears of the difference. A coroutine that waits, is woken and waits again in between
 * costs no call.
 */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "carrier.h"
#include "check.h"
#include "libev.h"
#include "raw.h"
#include "vector.h"

#define CHUNK_BITS 10
#define CHUNK      (1 << CHUNK_BITS)
#define TOP        (1 << 20) /* covers every number up to 2^30, the kernel's limit */

/*
 * Who was woken for a descriptor and has not run yet does not wait for it: what a look reports
 * then means nothing. It does so when nobody is left to run, or when it goes on like that.
 */
#define UNWANTED 100

/* What is more than data, or room for it. */
#define FINAL (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR)

struct loop_fd {
	/* What a wait and a report touch, in one line of the cache. */
	struct list waiters;
	void (*fn)(void *); /* one of our own descriptors: called instead of waking */
	void *arg;
	uint32_t generation; /* of the loop that `active` speaks of */
	uint32_t registered; /* libev's mark in the events of the file that it has told epoll of */
	uint8_t active;      /* wait_events that libev watches for */
	uint8_t unwanted;    /* looks in a row that reported something that nobody waits for */
	bool fresh;          /* the number names another file than the one that libev knows */
	bool again;   /* it is to be reported even if nothing has changed since the last time */
	bool quiet;   /* see fd_set_quiet */
	bool final;   /* more than data was reported: its end, an error, urgent data */
	bool known;   /* to epoll, watched or not: libev never takes one out */
	bool claimed; /* see fd_claim */
	bool dirty;
	uint8_t looks; /* see look_at_new */
	struct loop_fd *dirty_next;
	struct ev_io io;
} __attribute__((aligned(CACHE_LINE)));

_Static_assert((int)WAIT_READ == (int)EV_READ && (int)WAIT_WRITE == (int)EV_WRITE,
	       "libev's are taken for ours");

static struct loop_fd **table;
static struct slab fd_slab; /* of chunks */
static uint32_t generation = 1;
static unsigned table_end;

int loop_init(struct carrier *ca)
{
	int err = libev_load();

	if (err)
		return err;
	table = mem_pages(TOP * sizeof(*table));
	if (!table)
		return -ENOMEM;
	slab_init(&fd_slab, CHUNK * sizeof(struct loop_fd));
	slab_init(&ca->fd_waits, sizeof(struct fd_wait));
	ca->kick = -1;
	ca->epoll_fd = -1;
	return 0;
}

/* Never used, or last used before a fork: this loop has not heard of it. */
static __attribute__((noinline, cold)) void renew(struct loop_fd *f)
{
	*f = (struct loop_fd){.generation = generation, .fresh = true};
	list_init(&f->waiters);
}

static __attribute__((noinline, cold)) struct loop_fd *make_chunk(int fd)
{
	struct loop_fd *chunk = slab_alloc(&fd_slab);

	table[fd >> CHUNK_BITS] = chunk;
	if (chunk && (unsigned)fd >= table_end)
		table_end = ((unsigned)fd | (CHUNK - 1)) + 1;
	return chunk;
}

/* NULL: no such number, or nothing is known of it and `make` is not set. */
static inline struct loop_fd *get(int fd, bool make)
{
	unsigned chunk = (unsigned)fd >> CHUNK_BITS;
	struct loop_fd *f;

	if (chunk >= TOP) /* negative ones too */
		return NULL;
	f = table[chunk];
	if (!f && make)
		f = make_chunk(fd);
	if (!f)
		return NULL;
	f += fd & (CHUNK - 1);
	if (f->generation != generation)
		renew(f);
	return f;
}

static void mark_dirty(struct carrier *ca, struct loop_fd *f)
{
	if (f->dirty)
		return;
	f->dirty = true;
	f->dirty_next = ca->dirty;
	ca->dirty = f;
}

/* Wakes who waits for any of `ready`; EV_ERROR is for all. What somebody waited for. */
static inline int wake_ready(struct loop_fd *f, int ready)
{
	int wanted = 0;

	list_for_each_safe (l, tmp, &f->waiters) {
		struct fd_wait *w = container_of(l, struct fd_wait, link);

		wanted |= w->events;
		if (!(ready & (w->events | EV_ERROR)))
			continue;
		/* Takes down all waits of this coroutine, the next entry perhaps among them. */
		while (tmp != &f->waiters && container_of(tmp, struct fd_wait, link)->co == w->co)
			tmp = tmp->next;
		co_wake(w->co, WAKE_EVENT);
	}
	return wanted;
}

static inline __attribute__((always_inline)) void on_ready(struct loop_fd *f, int ready)
{
	int unwanted = ready & (WAIT_READ | WAIT_WRITE);

	if (f->fn) {
		f->fn(f->arg);
		return;
	}
	if (ready & WAIT_READ)
		f->quiet = false;
	unwanted &= ~wake_ready(f, ready);
	if (!unwanted)
		f->unwanted = 0;
	else if (f->unwanted < UNWANTED)
		f->unwanted += this_carrier()->idle ? UNWANTED : 1;
	if (f->unwanted >= UNWANTED || f->fresh)
		mark_dirty(this_carrier(), f);
}

/* From libev itself: it could not watch it and has stopped; whoever waits finds out by trying. */
static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct loop_fd *f = container_of(io, struct loop_fd, io);

	(void)loop;
	if (revents & EV_ERROR) {
		f->active = 0;
		f->fresh = true;
	}
	on_ready(f, revents);
}

int wait_fd(struct coroutine *co, int fd, short events)
{
	struct carrier *ca = this_carrier();
	struct loop_fd *f = get(fd, true);
	struct fd_wait *w = &co->fd;

	if (!f)
		return fd < 0 ? -EBADF : -ENOMEM;
	if (co->fd.fd >= 0) {
		w = slab_alloc(&ca->fd_waits);
		if (!w)
			return -ENOMEM;
		w->next = co->fd.next;
		co->fd.next = w;
	} else {
		ca->fd_waiters++;
	}
	w->co = co;
	w->fd = fd;
	w->events = events;
	list_add_tail(&f->waiters, &w->link);
	f->unwanted = 0;
	/*
	 * Whoever waits to read has looked since the last report, or knows that there was none. A
	 * call that cannot write may say so of a file that is ready: epoll is asked anew.
	 */
	if (events & WAIT_WRITE)
		f->again = true;
	if (f->fresh || f->again || events & ~f->active)
		mark_dirty(ca, f);
	return 0;
}

void fd_wait_cancel(struct coroutine *co)
{
	struct carrier *ca = this_carrier();

	if (co->fd.fd < 0)
		return;
	for (struct fd_wait *w = &co->fd, *next; w; w = next) {
		next = w->next;
		list_del(&w->link);
		if (w != &co->fd)
			slab_free(&ca->fd_waits, w);
	}
	co->fd.fd = -1;
	co->fd.next = NULL;
	ca->fd_waiters--;
}

void fd_wake_waiters(int fd, void (*each)(struct coroutine *co))
{
	struct loop_fd *f = get(fd, false);

	while (f && !list_empty(&f->waiters)) {
		struct fd_wait *w = container_of(f->waiters.next, struct fd_wait, link);

		each(w->co);
		co_wake(w->co, WAKE_EVENT);
	}
}

void fd_wake_ready(int fd, short events)
{
	struct loop_fd *f = get(fd, false);

	if (f)
		wake_ready(f, events);
}

unsigned fd_table_end(void)
{
	return table_end;
}

void fd_forget(int fd, bool stays_open)
{
	struct carrier *ca = this_carrier();
	struct loop_fd *f = get(fd, false);

	if (!f || f->fn)
		return;
	/*
	 * While a duplicate or another process keeps the file open, epoll would go on reporting
	 * it under this number.
	 */
	if (f->known && stays_open && ca->epoll_fd >= 0) {
		struct epoll_event none = {0};

		raw4(__NR_epoll_ctl, ca->epoll_fd, EPOLL_CTL_DEL, fd, &none);
	}
	f->known = f->quiet = f->final = false;
	f->registered = 0;
	f->looks = 0;
	f->fresh = true;
	if (f->active)
		mark_dirty(ca, f);
}

struct loop_fd *loop_watch(struct carrier *ca, int fd, void (*fn)(void *), void *arg)
{
	struct loop_fd *f = get(fd, true);

	if (!f)
		return NULL;
	f->fn = fn;
	f->arg = arg;
	f->io.fd = fd;
	mark_dirty(ca, f);
	return f;
}

/* What epoll, or poll, reports of a file. */
static int ready_of(uint32_t events)
{
	return (events & ~EPOLLOUT ? WAIT_READ : 0) |
	       (events & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? WAIT_WRITE : 0);
}

/* All that somebody waits for. */
static uint8_t wanted(struct loop_fd *f)
{
	uint8_t want = 0;

	list_for_each (l, &f->waiters) {
		struct fd_wait *w = container_of(l, struct fd_wait, link);

		want |= (uint8_t)w->events;
		f->io.fd = w->fd;
	}
	return want;
}

/*
 * What a short connection waits for, an answer or the end, has often come by now: one call finds it
 * for all files that are new, and epoll need not hear of those. A file that is ready for something
 * else than what it is waited for would be found so each time; so not more often than this.
 */
#define LOOKS 2
#define BATCH 128

static void look_at_new(struct carrier *ca)
{
	struct loop_fd *of[BATCH];
	struct pollfd p[BATCH];
	unsigned n = 0;

	for (struct loop_fd *f = ca->dirty; f && n < BATCH; f = f->dirty_next) {
		uint8_t want = !f->fresh || f->fn || f->looks == LOOKS ? 0 : wanted(f);

		if (!want)
			continue;
		f->looks++;
		of[n] = f;
		p[n++] = (struct pollfd){
			f->io.fd,
			(short)((want & WAIT_READ ? POLLIN | POLLPRI | POLLRDHUP : 0) |
				(want & WAIT_WRITE ? POLLOUT : 0)),
			0};
	}
	if (!n || raw3(__NR_poll, p, n, 0) <= 0)
		return;
	/* Who waits longest is last. */
	while (n-- > 0) {
		short seen = p[n].revents;

		if (!seen || seen & POLLNVAL)
			continue;
		of[n]->final |= (seen & FINAL) != 0;
		on_ready(of[n], ready_of((uint16_t)seen) & wanted(of[n]));
	}
}

/* Tells libev what it is to watch from now on. */
static void flush(struct carrier *ca)
{
	struct loop_fd *f;

	look_at_new(ca);
	while ((f = ca->dirty)) {
		uint8_t want = f->fn ? WAIT_READ : wanted(f), watch;

		ca->dirty = f->dirty_next;
		f->dirty = false;
		/*
		 * What was waited for is watched on, since most likely it will be again, until it
		 * happens with nobody waiting.
		 */
		watch = f->fresh || f->unwanted >= UNWANTED ? want : want | f->active;
		f->unwanted = 0;
		if (watch == f->active && !f->fresh && !(f->again && want))
			continue;
		f->again = false;
		if (f->active)
			ev.io_stop(ca->loop, &f->io);
		f->active = watch;
		if (!watch)
			continue;
		/*
		 * ev_io_set makes libev tell the kernel even if it believes to have told it
		 * before, which it needs only where something has changed.
		 */
		ev_init(&f->io, on_io);
		ev_io_set(&f->io, f->io.fd, watch);
		ev.io_start(ca->loop, &f->io);
		f->fresh = false;
		f->known = true;
	}
}

/* From here to loop_reported: called by libev.c, while libev looks. */
bool loop_is_registered(int fd)
{
	struct loop_fd *f = get(fd, false);

	return f && f->registered;
}

void loop_registered(int fd, uint32_t mark)
{
	struct loop_fd *f = get(fd, false);

	if (f)
		f->registered = mark;
}

/* Whoever waits finds out by trying. */
void loop_not_open(int fd)
{
	struct loop_fd *f = get(fd, false);

	if (!f)
		return;
	f->fresh = true;
	wake_ready(f, EV_READ | EV_WRITE | EV_ERROR);
	mark_dirty(this_carrier(), f);
	carrier_kick(); /* libev may be about to wait */
}

void fd_fetch(int fd)
{
	unsigned chunk = (unsigned)fd >> CHUNK_BITS;

	if (chunk < TOP && table[chunk])
		__builtin_prefetch(table[chunk] + (fd & (CHUNK - 1)), 1);
}

void loop_fetch_waiter(int fd)
{
	const struct loop_fd *f = get(fd, false);
	const char *co;

	if (!f || list_empty(&f->waiters))
		return;
	/* One that waits for several has the others elsewhere: then this fetches something else. */
	co = (const char *)container_of(f->waiters.next, struct coroutine, fd.link);
	for (size_t at = offsetof(struct coroutine, again);
	     at < offsetof(struct coroutine, switches); at += CACHE_LINE)
		__builtin_prefetch(co + at, 1);
}

bool loop_reported(int fd, uint32_t mark, uint32_t events)
{
	struct loop_fd *f = get(fd, false);
	int ready;

	/* Of a file that is known by another number now: libev would make a new epoll instance. */
	if (!f || f->registered != mark || (f->fresh && !f->fn))
		return true;
	f->final |= (events & FINAL) != 0;
	if (!f->active)
		return false;
	ready = ready_of(events) & f->active;
	if (ready)
		on_ready(f, ready);
	return true;
}

void fd_set_quiet(int fd)
{
	struct loop_fd *f = get(fd, true);

	if (f)
		f->quiet = !f->final;
}

bool fd_take_quiet(int fd)
{
	struct loop_fd *f = get(fd, false);
	bool quiet = f && f->quiet;

	if (quiet)
		f->quiet = false;
	return quiet;
}

static void on_kick(void *arg)
{
	uint64_t count;

	raw3(__NR_read, ((struct carrier *)arg)->kick, &count, sizeof(count));
}

void loop_open(struct carrier *ca)
{
	unsigned flags = EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOSIGMASK;
	uint8_t selector;

#ifdef EVFLAG_NOTIMERFD
	flags |= EVFLAG_NOTIMERFD;
#endif
	/*
	 * The epoll descriptor must get a high number, and libev has no call for that. Its own
	 * system calls come in by the back door for once: see carrier.loop_opening.
	 */
	selector = ca->selector;
	ca->selector = ca->selector_on;
	ca->loop_opening = true;
	ca->loop = ev.loop_new(flags);
	ca->loop_opening = false;
	ca->selector = selector;
	CHECK(ca->loop);
	ca->kick = fd_move_high((int)raw2(__NR_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC));
	CHECK(ca->kick >= 0 && loop_watch(ca, ca->kick, on_kick, ca));
	timer_open(ca);
}

void fd_claim(int fd)
{
	struct loop_fd *f = get(fd, true);

	if (f)
		f->claimed = true;
}

/* Which numbers are ours; the program must neither close nor replace them. */
bool fd_is_ours(int fd)
{
	struct loop_fd *f = get(fd, false);

	return (f && (f->fn || f->claimed)) || (fd >= 0 && fd == this_carrier()->epoll_fd);
}

void loop_run(struct carrier *ca, bool wait)
{
	static const uint32_t mxcsr = VECTOR_MXCSR;
	static const uint16_t fcw = VECTOR_FCW;
	uint16_t now;
	bool near;

	carrier_set_fs(ca->fs_main);
	ca->mxcsr = CONTROL_LOST;
	/* libev computes with doubles: not under what a coroutine has unmasked. */
	__asm__ volatile("ldmxcsr %1; fnstcw %0" : "=m"(now) : "m"(mxcsr));
	if (now != fcw)
		__asm__ volatile("fnclex; fldcw %0" : : "m"(fcw));
	ca->selector = 0;
	ca->in_loop = true;
	if (!ca->loop)
		loop_open(ca);
	near = timer_arm(ca);
	flush(ca);
	sched_stats.loops++;
	ca->idle = wait && carrier_idle(ca);
	ev.run(ca->loop, ca->idle && !near ? EVRUN_ONCE : EVRUN_NOWAIT);
	timer_look(ca);
	ca->in_loop = false;
	ca->selector = ca->selector_on;
}

/* The child shares the parent's epoll instance: it must never touch it. */
void loop_after_fork(struct carrier *ca)
{
	if (ca->kick >= 0)
		raw1(__NR_close, ca->kick);
	ca->kick = -1;
	generation++;
	ca->dirty = NULL;
	if (!ca->loop)
		return;
	carrier_set_fs(ca->fs_main);
	ca->selector = 0;
	ca->in_loop = true;
	ev.loop_destroy(ca->loop);
	ca->in_loop = false;
	ca->selector = ca->selector_on;
	ca->loop = NULL;
	ca->epoll_fd = -1;
}
