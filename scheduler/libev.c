/* SPDX-License-Identifier: MIT */
/*
 * libev, in a link namespace of its own, so that neither a libev nor a malloc of the program's is
 * ever touched; and its calls of epoll on their way to the kernel.
 *
 * libev watches levels: what is ready is reported at every look until somebody has read it, and
 * with a thousand coroutines that were woken and have not run yet a look is mostly about them. So
 * descriptors are registered for edges instead, which are reported once. The calls are found
 * where libev has bound them, in its own table of foreign functions.
 */
#include "libev.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>

#include "raw.h"
#include "sched.h"

#define PAGE 4096UL
/* The end of a stream and urgent data by their names: see fd_set_quiet. */
#define ALWAYS (EPOLLET | EPOLLRDHUP | EPOLLPRI)

struct libev ev;

static Lmid_t link_namespace;
static int *(*errno_of_libev)(void);

static int fail(long err)
{
	*errno_of_libev() = (int)-err;
	return -1;
}

static int control(int epoll, int op, int fd, struct epoll_event *event)
{
	long err;

	if (op != EPOLL_CTL_DEL)
		event->events |= ALWAYS;
	/* libev adds what it has once added, and leaves it at that if nothing seems to change. */
	if (op == EPOLL_CTL_ADD && loop_is_registered(fd))
		op = EPOLL_CTL_MOD;
	err = raw4(__NR_epoll_ctl, epoll, op, fd, event);
	if (err == -EEXIST && op == EPOLL_CTL_ADD)
		err = raw4(__NR_epoll_ctl, epoll, EPOLL_CTL_MOD, fd, event);
	else if (err == -ENOENT && op == EPOLL_CTL_MOD)
		err = raw4(__NR_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, event);
	if (err == -EBADF && op != EPOLL_CTL_DEL) {
		loop_not_open(fd);
		return 0;
	}
	if (err)
		return fail(err);
	if (op != EPOLL_CTL_DEL)
		loop_registered(fd, (uint32_t)(event->data.u64 >> 32));
	return 0;
}

/*
 * What is reported is served here, in epoll's order: libev would only hand it on. It gets to know
 * of descriptors that it is to take out. It has no timers, so a wait is one without an end, and
 * the kernel need not set its own for it.
 */
static int wait(int epoll, struct epoll_event *got, int most, int ms)
{
	long n = raw4(__NR_epoll_wait, epoll, got, most, ms ? -1 : 0);
	int kept = 0;

	if (raw_failed(n))
		return fail(n);
	for (long i = 0; i < n; i++) {
		uint64_t data = got[i].data.u64;

		if (i + 2 < n)
			fd_fetch((int)(uint32_t)got[i + 2].data.u64);
		if (i + 1 < n)
			loop_fetch_waiter((int)(uint32_t)got[i + 1].data.u64);
		if (!loop_reported((int)(uint32_t)data, (uint32_t)(data >> 32), got[i].events))
			got[kept++] = got[i];
	}
	return kept;
}

/* Twice a look libev asks what time it is, and has no use for it. */
static int stopped_clock(clockid_t clock, struct timespec *now)
{
	(void)clock;
	*now = (struct timespec){1, 0};
	return 0;
}

/* Where the object calls `name` by, of its relocations at `rela`. */
static void **slot_among(const struct link_map *map, uint64_t rela, uint64_t size, uint64_t symtab,
			 uint64_t strtab, const char *name)
{
	const Elf64_Rela *r = (const Elf64_Rela *)rela;

	for (; r && size >= sizeof(*r); size -= sizeof(*r), r++) {
		const Elf64_Sym *sym = (const Elf64_Sym *)symtab + ELF64_R_SYM(r->r_info);
		uint64_t type = ELF64_R_TYPE(r->r_info);

		if ((type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT) &&
		    !strcmp((const char *)strtab + sym->st_name, name))
			return (void **)(map->l_addr + r->r_offset);
	}
	return NULL;
}

static void **slot_of(const struct link_map *map, const char *name)
{
	uint64_t at[DT_NUM] = {0};
	void **slot;

	for (const Elf64_Dyn *d = map->l_ld; d->d_tag != DT_NULL; d++)
		if ((uint64_t)d->d_tag < DT_NUM)
			at[d->d_tag] = d->d_un.d_val;
	/* glibc has turned them into addresses; other loaders need not have. */
	for (size_t i = 0; i < DT_NUM; i++)
		if ((i == DT_JMPREL || i == DT_RELA || i == DT_SYMTAB || i == DT_STRTAB) && at[i] &&
		    at[i] < map->l_addr)
			at[i] += map->l_addr;
	slot = slot_among(map, at[DT_JMPREL], at[DT_PLTRELSZ], at[DT_SYMTAB], at[DT_STRTAB], name);
	return slot ? slot
		    : slot_among(map, at[DT_RELA], at[DT_RELASZ], at[DT_SYMTAB], at[DT_STRTAB],
				 name);
}

/* The part that the loader has made read-only after it had bound everything. */
static bool is_read_only(const struct link_map *map, uint64_t address)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)map->l_addr;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(map->l_addr + head->e_phoff);

	for (int i = 0; i < head->e_phnum; i++)
		if (p[i].p_type == PT_GNU_RELRO &&
		    address - map->l_addr - p[i].p_vaddr < p[i].p_memsz)
			return true;
	return false;
}

static int replace(const struct link_map *map, const char *name, void *with)
{
	void **slot = slot_of(map, name);
	uint64_t page = (uint64_t)slot & ~(PAGE - 1);
	long err = 0;

	if (!slot)
		return -ELIBBAD;
	if (is_read_only(map, (uint64_t)slot)) {
		err = raw3(__NR_mprotect, page, PAGE, PROT_READ | PROT_WRITE);
		if (!err) {
			*slot = with;
			err = raw3(__NR_mprotect, page, PAGE, PROT_READ);
		}
	} else {
		*slot = with;
	}
	return (int)err;
}

static int hook(void *lib)
{
	struct link_map *map;
	int err;

	if (dlinfo(lib, RTLD_DI_LINKMAP, &map))
		return -ELIBBAD;
	/* Some call it in another way: no harm. */
	err = replace(map, "clock_gettime", (void *)stopped_clock);
	if (!err || err == -ELIBBAD)
		err = replace(map, "epoll_ctl", (void *)control);
	return err ? err : replace(map, "epoll_wait", (void *)wait);
}

int libev_load(void)
{
	static const struct {
		void *to;
		const char *name;
	} need[] = {
		{&ev.loop_new, "ev_loop_new"},
		{&ev.loop_destroy, "ev_loop_destroy"},
		{&ev.run, "ev_run"},
		{&ev.io_start, "ev_io_start"},
		{&ev.io_stop, "ev_io_stop"},
		{&errno_of_libev, "__errno_location"}, /* its libc's */
	};
	void *lib = dlmopen(LM_ID_NEWLM, "libev.so.4", RTLD_NOW | RTLD_LOCAL);

	if (!lib)
		return -ELIBACC;
	if (dlinfo(lib, RTLD_DI_LMID, &link_namespace))
		return -ELIBBAD;
	for (size_t i = 0; i < sizeof(need) / sizeof(need[0]); i++) {
		void *sym = dlsym(lib, need[i].name);

		if (!sym)
			return -ELIBBAD;
		memcpy(need[i].to, &sym, sizeof(sym));
	}
	return hook(lib);
}

long sched_namespace(void)
{
	return link_namespace;
}
