/* SPDX-License-Identifier: MIT */
/* Finds copatch in a process, by what /proc says and what its memory holds. Trusts neither. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "eyes.h"

#define LIBRARY "libcopatch.so"

/* Bounds on work that foreign memory asks for; real ones need a hundredth. */
#define PHDRS_MAX   64
#define DYNAMIC_MAX 512
#define CHAIN_MAX   4096

static bool read_process(struct eyes_process *p, uint64_t at, void *to, size_t n)
{
	struct iovec here = {to, n}, there = {(void *)at, n};

	return process_vm_readv(p->pid, &here, 1, &there, 1, 0) == (ssize_t)n;
}

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static void forget_maps(struct eyes_process *p)
{
	for (size_t i = 0; i < p->maps; i++)
		free(p->map[i].file);
	free(p->map);
	p->map = NULL;
	p->maps = 0;
}

int eyes_read_maps(struct eyes_process *p)
{
	FILE *file = open_proc(p->pid, "maps");
	size_t room = 0, size = 0;
	char *line = NULL;
	int err = 0;

	if (!file)
		return -errno;
	forget_maps(p);
	while (getline(&line, &size, file) > 0) {
		struct eyes_map m = {.file = NULL};
		char rights[5];
		int name = 0;

		if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &m.begin, &m.end, rights, &m.offset,
			   &name) < 4)
			continue;
		if (p->maps == room) {
			struct eyes_map *more;

			room = room ? room * 2 : 256;
			more = realloc(p->map, room * sizeof(*more));
			if (!more) {
				err = -ENOMEM;
				break;
			}
			p->map = more;
		}
		line[strcspn(line, "\n")] = 0;
		m.executable = rights[2] == 'x';
		m.file = name && line[name] ? strdup(line + name) : NULL;
		p->map[p->maps++] = m;
	}
	if (ferror(file))
		err = -errno;
	free(line);
	fclose(file);
	return err;
}

const struct eyes_map *eyes_map_of(const struct eyes_process *p, uint64_t at)
{
	size_t low = 0, high = p->maps;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (at < p->map[mid].begin)
			high = mid;
		else if (at >= p->map[mid].end)
			low = mid + 1;
		else
			return &p->map[mid];
	}
	return NULL;
}

static uint32_t gnu_hash(const char *name)
{
	uint32_t h = 5381;

	while (*name)
		h = h * 33 + (unsigned char)*name++;
	return h;
}

struct tables {
	uint64_t symbols, strings, hash;
};

/* ld.so has put addresses into the table, on some systems into a copy of its own only. */
static uint64_t absolute(uint64_t base, uint64_t value)
{
	return value < base ? base + value : value;
}

static bool find_tables(struct eyes_process *p, uint64_t base, struct tables *t)
{
	Elf64_Ehdr head;
	Elf64_Phdr ph;
	Elf64_Dyn dyn;
	uint64_t dynamic = 0;

	if (!p->read(p, base, &head, sizeof(head)) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof(ph))
		return false;
	for (unsigned i = 0; i < head.e_phnum && i < PHDRS_MAX && !dynamic; i++)
		if (p->read(p, base + head.e_phoff + i * sizeof(ph), &ph, sizeof(ph)) &&
		    ph.p_type == PT_DYNAMIC)
			dynamic = base + ph.p_vaddr;
	memset(t, 0, sizeof(*t));
	for (unsigned i = 0; dynamic && i < DYNAMIC_MAX; i++) {
		if (!p->read(p, dynamic + i * sizeof(dyn), &dyn, sizeof(dyn)) ||
		    dyn.d_tag == DT_NULL)
			break;
		if (dyn.d_tag == DT_SYMTAB)
			t->symbols = absolute(base, dyn.d_un.d_ptr);
		else if (dyn.d_tag == DT_STRTAB)
			t->strings = absolute(base, dyn.d_un.d_ptr);
		else if (dyn.d_tag == DT_GNU_HASH)
			t->hash = absolute(base, dyn.d_un.d_ptr);
	}
	return t->symbols && t->strings && t->hash;
}

uint64_t eyes_symbol(struct eyes_process *p, uint64_t base, const char *name)
{
	uint32_t head[4], bucket, chain, hash = gnu_hash(name); /* buckets, first, bloom, shift */
	size_t length = strlen(name) + 1;
	struct tables t;
	char found[64];

	if (length > sizeof(found) || !find_tables(p, base, &t) ||
	    !p->read(p, t.hash, head, sizeof(head)) || !head[0])
		return 0;
	t.hash += sizeof(head) + head[2] * 8UL;
	if (!p->read(p, t.hash + hash % head[0] * 4UL, &bucket, 4) || bucket < head[1])
		return 0;
	t.hash += head[0] * 4UL;
	for (uint32_t i = 0; i < CHAIN_MAX; i++, bucket++) {
		Elf64_Sym sym;

		if (!p->read(p, t.hash + (bucket - head[1]) * 4UL, &chain, 4))
			return 0;
		if ((chain | 1) == (hash | 1) &&
		    p->read(p, t.symbols + bucket * sizeof(sym), &sym, sizeof(sym)) &&
		    p->read(p, t.strings + sym.st_name, found, length) &&
		    !memcmp(found, name, length))
			return base + sym.st_value;
		if (chain & 1)
			return 0;
	}
	return 0;
}

static bool is_library(const char *file, const char *name)
{
	const char *slash = file ? strrchr(file, '/') : NULL;

	return slash && !strncmp(slash + 1, name, strlen(name));
}

/*
 * Where glibc keeps a thread's start routine is told by the objects that it exports for
 * libthread_db: bits, elements, offset.
 */
static void find_start(struct eyes_process *p)
{
	static const char *const libraries[] = {"libc.so", "libc-2.", "libpthread"};
	uint32_t what[3];

	p->start_at = -1;
	for (size_t i = 0; i < p->maps; i++) {
		const struct eyes_map *m = &p->map[i];
		bool fits = false;
		uint64_t at;

		for (size_t k = 0; k < sizeof(libraries) / sizeof(libraries[0]); k++)
			fits |= is_library(m->file, libraries[k]);
		/* The one that begins first may be that of libev's namespace: it is the same file.
		 */
		if (m->offset || !fits)
			continue;
		at = eyes_symbol(p, m->begin, "_thread_db_pthread_start_routine");
		if (at && p->read(p, at, what, sizeof(what)) && what[0] == 64 && what[2] < 65536) {
			p->start_at = what[2];
			return;
		}
	}
}

/* "Tgid:" or the last of "NSpid:", 0 when it is not there. */
static int status_field(pid_t pid, const char *field)
{
	FILE *file = open_proc(pid, "status");
	char line[256];
	int value = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, strlen(field))) {
			const char *last = line + strlen(field);

			while (*last) {
				value = atoi(last);
				last += strspn(last, " \t");
				last += strcspn(last, " \t");
				last += strspn(last, " \t\n");
			}
		}
	if (file)
		fclose(file);
	return value;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t eyes_counts(const struct eyes_process *p)
{
	return p->reg.tsc == p->reg.nsec ? now_ns() : __builtin_ia32_rdtsc();
}

/* How long a count is: from the pair that the process noted when it began, or from one of ours. */
static void measure_ticks(struct eyes_process *p)
{
	uint64_t tsc = p->reg.tsc, ns = p->reg.nsec, ns_now = now_ns();

	if (ns_now - ns < 100000000 || ns_now < ns) {
		tsc = eyes_counts(p);
		ns = ns_now;
		usleep(20000);
	}
	ns_now = now_ns();
	p->ns_per_tick = (double)(ns_now - ns) / (double)(eyes_counts(p) - tsc);
	if (!(p->ns_per_tick > 0.01 && p->ns_per_tick < 100))
		p->ns_per_tick = 1; /* what it noted is not true */
}

static void refuse(pid_t pid, int error)
{
	if (error == EPERM || error == EACCES)
		eyes_fail("%d: you may not look into this process: only who may trace it can "
			  "(ptrace(2)); try as its user or as root",
			  (int)pid);
	if (error == ESRCH || error == ENOENT)
		eyes_fail("%d: no such process", (int)pid);
	eyes_fail("%d: cannot look into this process: %s", (int)pid, strerror(error));
}

static void refuse_unread(struct eyes_process *p)
{
	struct iovec here = {&p->reg, 1}, there = {(void *)p->map[0].begin, 1};

	if (process_vm_readv(p->pid, &here, 1, &there, 1, 0) < 0 && errno != EFAULT)
		refuse(p->pid, errno);
}

void eyes_open(struct eyes_process *p, pid_t pid)
{
	const char *wrong;
	bool seen = false;
	uint64_t at = 0;
	int err;

	p->pid = pid;
	p->read = read_process;
	err = eyes_read_maps(p);
	if (err)
		refuse(pid, -err);
	if (!p->maps)
		eyes_fail("%d: not a program: it has ended, or is the kernel's", (int)pid);
	refuse_unread(p);
	for (size_t i = 0; i < p->maps && !at; i++) {
		if (p->map[i].offset || !is_library(p->map[i].file, LIBRARY))
			continue;
		seen = true;
		at = eyes_symbol(p, p->map[i].begin, REGISTRY_SYMBOL);
	}
	if (!seen)
		eyes_fail("%d: not under copatch: its threads are the kernel's, see ps -L -p %d",
			  (int)pid, (int)pid);
	if (!at || !p->read(p, at, &p->reg, sizeof(p->reg)))
		eyes_fail("%d: its %s has no list of coroutines: it is of another version",
			  (int)pid, LIBRARY);
	wrong = eyes_check(&p->reg);
	if (wrong)
		eyes_fail("%d: its list of coroutines cannot be read: %s", (int)pid, wrong);
	if (!p->reg.carrier)
		eyes_fail("%d: copatch is loaded but not in charge: the program runs natively",
			  (int)pid);
	if (status_field(pid, "NSpid:") != p->reg.pid &&
	    status_field(status_field(pid, "Tgid:"), "NSpid:") != p->reg.pid)
		eyes_fail("%d: shares the memory of process %d until it runs a program: look at "
			  "that",
			  (int)pid, p->reg.pid);
	find_start(p);
	measure_ticks(p);
}

bool eyes_alive(struct eyes_process *p)
{
	FILE *file = open_proc(p->pid, "stat");
	char state = 'X';

	/* A zombie has no memory; an exec has put another program there. */
	if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 'X';
	if (file)
		fclose(file);
	return state != 'X' && state != 'Z' && p->read(p, p->reg.carrier, &state, 1);
}

uint64_t eyes_carrier_cpu(const struct eyes_process *p)
{
	char name[64];
	uint64_t ns = 0;
	FILE *file;

	(void)snprintf(name, sizeof(name), "task/%d/schedstat", (int)p->pid);
	file = open_proc(p->pid, name);
	if (file && fscanf(file, "%lu", &ns) != 1)
		ns = 0;
	if (file)
		fclose(file);
	return ns;
}
