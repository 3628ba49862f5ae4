/* SPDX-License-Identifier: MIT */
/* Who waits for which descriptor: waits, and what becomes of them when its number is closed. */
#include <sys/epoll.h>

#include "fd_wait.h"
#include "raw.h"

struct loop_fd **loop_fds;
uint32_t loop_generation = 1;
static struct slab fd_slab; /* of chunks */
static unsigned table_end;

int fd_wait_init(struct carrier *ca)
{
	loop_fds = mem_pages(TOP * sizeof(*loop_fds));
	if (!loop_fds)
		return -ENOMEM;
	slab_init(&fd_slab, CHUNK * sizeof(struct loop_fd));
	slab_init(&ca->fd_waits, sizeof(struct fd_wait));
	return 0;
}

/* Never used, or last used before a fork: this loop has not heard of it. */
__attribute__((noinline, cold)) void fd_renew(struct loop_fd *f)
{
	*f = (struct loop_fd){.generation = loop_generation, .fresh = true};
	list_init(&f->waiters);
}

__attribute__((noinline, cold)) struct loop_fd *fd_make_chunk(int fd)
{
	struct loop_fd *chunk = slab_alloc(&fd_slab);

	loop_fds[fd >> CHUNK_BITS] = chunk;
	if (chunk && (unsigned)fd >= table_end)
		table_end = ((unsigned)fd | (CHUNK - 1)) + 1;
	return chunk;
}

int wait_fd(struct coroutine *co, int fd, short events)
{
	struct carrier *ca = this_carrier();
	struct loop_fd *f = fd_note(fd, true);
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
		fd_mark_dirty(ca, f);
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

unsigned fd_table_end(void)
{
	return table_end;
}

void fd_forget(int fd, bool stays_open)
{
	struct carrier *ca = this_carrier();
	struct loop_fd *f = fd_note(fd, false);

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
		fd_mark_dirty(ca, f);
}

void fd_set_quiet(int fd)
{
	struct loop_fd *f = fd_note(fd, true);

	if (f)
		f->quiet = !f->final;
}

bool fd_take_quiet(int fd)
{
	struct loop_fd *f = fd_note(fd, false);
	bool quiet = f && f->quiet;

	if (quiet)
		f->quiet = false;
	return quiet;
}

void fd_fetch(int fd)
{
	unsigned chunk = (unsigned)fd >> CHUNK_BITS;

	if (chunk < TOP && loop_fds[chunk])
		fetch_line(loop_fds[chunk] + (fd & (CHUNK - 1)));
}

void loop_fetch_waiter(int fd)
{
	const struct loop_fd *f = fd_note(fd, false);
	const char *co;

	if (!f || list_empty(&f->waiters))
		return;
	/* One that waits for several has the others elsewhere: then this fetches something else. */
	co = (const char *)container_of(f->waiters.next, struct coroutine, fd.link);
	for (size_t at = offsetof(struct coroutine, again);
	     at < offsetof(struct coroutine, switches); at += CACHE_LINE)
		fetch_line(co + at);
}

void fd_claim(int fd)
{
	struct loop_fd *f = fd_note(fd, true);

	if (f)
		f->claimed = true;
}

/* Which numbers are ours; the program must neither close nor replace them. */
bool fd_is_ours(int fd)
{
	struct loop_fd *f = fd_note(fd, false);

	return (f && (f->fn || f->claimed)) || (fd >= 0 && fd == this_carrier()->epoll_fd);
}
