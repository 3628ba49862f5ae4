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

struct fd_entry **fd_table;
uint32_t fd_generation = 1, fd_settings = 1;
bool fd_layered;

static struct slab chunks;
static uint32_t nesting = 2; /* grows when the program puts an epoll instance into another */

int fdtab_init(void)
{
	slab_init(&chunks, sizeof(struct fd_entry) << FD_CHUNK_BITS);
	fd_table = mem_pages(FD_TOP * sizeof(*fd_table));
	return fd_table ? 0 : -ENOMEM;
}

/* A place that forgets, where there is no memory for a lasting one. */
__attribute__((noinline, cold)) struct fd_entry *fd_entry_new(int fd)
{
	static struct fd_entry none;
	struct fd_entry **chunk;

	none = (struct fd_entry){0};
	if (fd < 0 || fd >> FD_CHUNK_BITS >= FD_TOP)
		return &none;
	chunk = &fd_table[fd >> FD_CHUNK_BITS];
	*chunk = slab_alloc(&chunks);
	return *chunk ? &(*chunk)[fd & ((1 << FD_CHUNK_BITS) - 1)] : &none;
}

enum fd_kind fd_kind(int fd)
{
	struct fd_entry *e = fd_entry(fd);
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
	return fd_entry(fd)->no_nowait;
}

void fd_set_no_nowait(int fd)
{
	fd_entry(fd)->no_nowait = true;
}

void fd_set_known(int fd, enum fd_fact fact)
{
	struct fd_entry *e = fd_entry(fd);

	if (e->known != fd_settings)
		e->facts = 0;
	e->known = fd_settings;
	e->facts |= (uint8_t)fact;
}

void fd_settings_changed(void)
{
	fd_settings++;
}

bool fd_ask_nonblocking(int fd)
{
	long flags = raw3(__NR_fcntl, fd, F_GETFL, 0);

	if (raw_failed(flags) || flags & O_NONBLOCK)
		return true;
	fd_set_known(fd, FD_BLOCKING);
	return false;
}

enum fd_tcp fd_ask_tcp(int fd)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);
	bool tcp = !raw5(__NR_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) &&
		   protocol == IPPROTO_TCP;

	fd_entry(fd)->tcp = tcp ? FD_TCP : FD_NOT_TCP;
	return fd_entry(fd)->tcp;
}

void fd_set_tcp(int fd)
{
	fd_entry(fd)->kind = FD_SOCKET;
	fd_entry(fd)->tcp = FD_TCP;
}

void fd_tcp_layered(void)
{
	fd_layered = true;
}

bool fd_private(int fd)
{
	return fd_entry(fd)->born == fd_generation;
}

void fd_born(int fd)
{
	*fd_entry(fd) = (struct fd_entry){.born = fd_generation};
}

void fd_born_pair(int fd, int peer)
{
	static uint32_t pairs;

	fd_born(fd);
	fd_born(peer);
	fd_entry(fd)->peer = peer;
	fd_entry(peer)->peer = fd;
	fd_entry(fd)->pair = fd_entry(peer)->pair = ++pairs;
}

void fd_set_copied(int fd)
{
	fd_entry(fd)->copied = true;
}

bool fd_alone(int fd)
{
	return fd_private(fd) && !fd_entry(fd)->copied;
}

void fd_duplicated(int fd, int from)
{
	fd_set_copied(from);
	*fd_entry(fd) = *fd_entry(from);
}

void fd_gone(int fd)
{
	*fd_entry(fd) = (struct fd_entry){0};
}

unsigned fd_queued(int fd)
{
	return fd_entry(fd)->queued;
}

void fd_set_queued(int fd, unsigned n)
{
	fd_entry(fd)->queued = n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
}

unsigned fd_disk(int fd)
{
	return fd_entry(fd)->disk;
}

void fd_set_disk(int fd, unsigned disk)
{
	fd_entry(fd)->disk = (uint8_t)disk;
}

void fd_set_epoll(int fd)
{
	fd_entry(fd)->epoll = 1;
}

bool fd_is_epoll(int fd)
{
	return fd_entry(fd)->epoll;
}

bool fd_watchable(int fd)
{
	return fd_entry(fd)->epoll == nesting;
}

void fd_set_watchable(int fd)
{
	fd_entry(fd)->epoll = nesting;
}

void fd_nested(void)
{
	nesting++;
}

void fd_all_shared(void)
{
	fd_generation++;
}

int fd_comm(int fd)
{
	return fd_entry(fd)->comm;
}

void fd_set_comm(int fd, int tid)
{
	fd_entry(fd)->comm = tid;
}
