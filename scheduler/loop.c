/* SPDX-License-Identifier: MIT */
/*
 * The event loop: what descriptors are watched, and whom a report wakes. What changes between two
 * looks at it is only noted; libev hears of the difference. A coroutine that waits, is woken and
 * waits again in between costs no call.
 */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "check.h"
#include "fd_wait.h"
#include "raw.h"
#include "vector.h"

/*
 * Who was woken for a descriptor and has not run yet does not wait for it: what a look reports
 * then means nothing. It does so when nobody is left to run, or when it goes on like that.
 */
#define UNWANTED 100

/* What is more than data, or room for it. */
#define FINAL (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR)

_Static_assert((int)WAIT_READ == (int)EV_READ && (int)WAIT_WRITE == (int)EV_WRITE,
	       "libev's are taken for ours");

int loop_init(struct carrier *ca)
{
	int err = libev_load();

	if (err)
		return err;
	err = fd_wait_init(ca);
	if (err)
		return err;
	ca->kick = -1;
	ca->epoll_fd = -1;
	return 0;
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
		fd_mark_dirty(this_carrier(), f);
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

void fd_wake_waiters(int fd, void (*each)(struct coroutine *co))
{
	struct loop_fd *f = fd_note(fd, false);

	while (f && !list_empty(&f->waiters)) {
		struct fd_wait *w = container_of(f->waiters.next, struct fd_wait, link);

		each(w->co);
		co_wake(w->co, WAKE_EVENT);
	}
}

void fd_wake_ready(int fd, short events)
{
	struct loop_fd *f = fd_note(fd, false);

	if (f)
		wake_ready(f, events);
}

struct loop_fd *loop_watch(struct carrier *ca, int fd, void (*fn)(void *), void *arg)
{
	struct loop_fd *f = fd_note(fd, true);

	if (!f)
		return NULL;
	f->fn = fn;
	f->arg = arg;
	f->io.fd = fd;
	fd_mark_dirty(ca, f);
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
		on_ready(of[n], ready_of((uint16_t)seen));
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
	struct loop_fd *f = fd_note(fd, false);

	return f && f->registered;
}

void loop_registered(int fd, uint32_t mark)
{
	struct loop_fd *f = fd_note(fd, false);

	if (f)
		f->registered = mark;
}

/* Whoever waits finds out by trying. */
void loop_not_open(int fd)
{
	struct loop_fd *f = fd_note(fd, false);

	if (!f)
		return;
	f->fresh = true;
	wake_ready(f, EV_READ | EV_WRITE | EV_ERROR);
	fd_mark_dirty(this_carrier(), f);
	carrier_kick(); /* libev may be about to wait */
}

bool loop_reported(int fd, uint32_t mark, uint32_t events)
{
	struct loop_fd *f = fd_note(fd, false);
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
	loop_generation++;
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
