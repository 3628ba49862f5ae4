/* SPDX-License-Identifier: MIT */
/* A table of what each descriptor is, so that a call need not ask the kernel every time. */
#include "fdtab.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../scheduler/raw.h"
#include "../scheduler/slab.h"

#define CHUNK_BITS 12
#define TOP        (1 << 18)

enum { TCP = 1, OTHER };

struct fd_entry {
	uint8_t kind;
	bool no_nowait;
	uint8_t tcp; /* 0 not asked yet, else TCP or OTHER */
	bool copied;
	uint8_t disk;
	uint8_t facts; /* enum fd_fact, of the settings as of `known` */
	uint16_t queued;
	uint32_t known;
	uint32_t born;  /* in which generation, 0 unknown */
	uint32_t epoll; /* 0 none, else as of which nesting it was found watchable */
	int comm;
	int peer;
	uint32_t pair; /* the same in both ends, 0 none */
};

static struct fd_entry **table;
static struct slab chunks;
static uint32_t generation = 1; /* grows when files may become shared */
static uint32_t nesting = 2;    /* grows when the program puts an epoll instance into another */
static uint32_t settings = 1;   /* grows when the program changes a file's */
static bool layered;            /* see fd_tcp_layered */

int fdtab_init(void)
{
	slab_init(&chunks, sizeof(struct fd_entry) << CHUNK_BITS);
	table = mem_pages(TOP * sizeof(*table));
	return table ? 0 : -ENOMEM;
}

/* A place that forgets, where there is no memory for a lasting one. */
static __attribute__((noinline, cold)) struct fd_entry *get_new(int fd)
{
	static struct fd_entry none;
	struct fd_entry **chunk;

	none = (struct fd_entry){0};
	if (fd < 0 || fd >> CHUNK_BITS >= TOP)
		return &none;
	chunk = &table[fd >> CHUNK_BITS];
	*chunk = slab_alloc(&chunks);
	return *chunk ? &(*chunk)[fd & ((1 << CHUNK_BITS) - 1)] : &none;
}

static inline struct fd_entry *get(int fd)
{
	if (fd < 0 || fd >> CHUNK_BITS >= TOP || !table[fd >> CHUNK_BITS])
		return get_new(fd);
	return &table[fd >> CHUNK_BITS][fd & ((1 << CHUNK_BITS) - 1)];
}

enum fd_kind fd_kind(int fd)
{
	struct fd_entry *e = get(fd);
	struct stat st = {0};

	if (e->kind != FD_UNKNOWN)
		return e->kind;
	if (raw2(__NR_fstat, fd, &st))
		return FD_NONE; /* not remembered: it may be opened where we do not see it */
	if (S_ISSOCK(st.st_mode))
		e->kind = FD_SOCKET;
	else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		e->kind = FD_FILE;
	/* Documentation/admin-guide/devices.txt: 3, 4, 5 and 136 to 143 are terminals. */
	else if (S_ISCHR(st.st_mode) &&
		 (major(st.st_rdev) - 3U < 3 || major(st.st_rdev) - 136U < 8))
		e->kind = FD_TTY;
	else
		e->kind = S_ISFIFO(st.st_mode) ? FD_PIPE : FD_STREAM;
	return e->kind;
}

bool fd_no_nowait(int fd)
{
	return get(fd)->no_nowait;
}

void fd_set_no_nowait(int fd)
{
	get(fd)->no_nowait = true;
}

bool fd_known(int fd, enum fd_fact fact)
{
	const struct fd_entry *e = get(fd);

	return e->facts & fact && e->known == settings && e->born == generation;
}

void fd_set_known(int fd, enum fd_fact fact)
{
	struct fd_entry *e = get(fd);

	if (e->known != settings)
		e->facts = 0;
	e->known = settings;
	e->facts |= (uint8_t)fact;
}

void fd_settings_changed(void)
{
	settings++;
}

bool fd_nonblocking(int fd)
{
	long flags;

	if (fd_known(fd, FD_BLOCKING))
		return false;
	flags = raw3(__NR_fcntl, fd, F_GETFL, 0);
	if (raw_failed(flags) || flags & O_NONBLOCK)
		return true;
	fd_set_known(fd, FD_BLOCKING);
	return false;
}

bool fd_is_tcp(int fd)
{
	struct fd_entry *e = get(fd);
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	if (!e->tcp)
		e->tcp = !raw5(__NR_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
					 protocol == IPPROTO_TCP
				 ? TCP
				 : OTHER;
	return e->tcp == TCP && !layered;
}

void fd_set_tcp(int fd)
{
	get(fd)->kind = FD_SOCKET;
	get(fd)->tcp = TCP;
}

void fd_tcp_layered(void)
{
	layered = true;
}

bool fd_private(int fd)
{
	return get(fd)->born == generation;
}

void fd_born(int fd)
{
	*get(fd) = (struct fd_entry){.born = generation};
}

void fd_born_pair(int fd, int peer)
{
	static uint32_t pairs;

	fd_born(fd);
	fd_born(peer);
	get(fd)->peer = peer;
	get(peer)->peer = fd;
	get(fd)->pair = get(peer)->pair = ++pairs;
}

int fd_peer(int fd)
{
	uint32_t pair = get(fd)->pair;
	int peer = get(fd)->peer;

	return pair && get(peer)->pair == pair ? peer : -1;
}

void fd_set_copied(int fd)
{
	get(fd)->copied = true;
}

bool fd_alone(int fd)
{
	return fd_private(fd) && !get(fd)->copied;
}

void fd_duplicated(int fd, int from)
{
	fd_set_copied(from);
	*get(fd) = *get(from);
}

void fd_gone(int fd)
{
	*get(fd) = (struct fd_entry){0};
}

unsigned fd_queued(int fd)
{
	return get(fd)->queued;
}

void fd_set_queued(int fd, unsigned n)
{
	get(fd)->queued = n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

unsigned fd_disk(int fd)
{
	return get(fd)->disk;
}

void fd_set_disk(int fd, unsigned disk)
{
	get(fd)->disk = (uint8_t)disk;
}

void fd_set_epoll(int fd)
{
	get(fd)->epoll = 1;
}

bool fd_is_epoll(int fd)
{
	return get(fd)->epoll;
}

bool fd_watchable(int fd)
{
	return get(fd)->epoll == nesting;
}

void fd_set_watchable(int fd)
{
	get(fd)->epoll = nesting;
}

void fd_nested(void)
{
	nesting++;
}

void fd_all_shared(void)
{
	generation++;
}

int fd_comm(int fd)
{
	return get(fd)->comm;
}

void fd_set_comm(int fd, int tid)
{
	get(fd)->comm = tid;
}
