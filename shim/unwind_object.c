/* SPDX-License-Identifier: MIT */
/* Object files in memory and the names of their functions, without libc. */
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../scheduler/raw.h"
#include "unwind.h"

#define HEADERS_MAX 64   /* program headers looked at */
#define SECTIONS    8192 /* sections looked at */
#define CHUNK       64   /* symbols read at a time */

bool unwind_read(uint64_t from, void *to, size_t n)
{
	struct iovec here = {to, n}, there = {(void *)from, n};

	return raw6(__NR_process_vm_readv, raw0(__NR_getpid), (long)&here, 1, (long)&there, 1, 0) ==
	       (long)n;
}

struct lines {
	int fd;
	char room[4096];
	size_t at, end;
};

/* One line, cut short where there is no room. False: there is no more. */
static bool next_line(struct lines *l, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		long got;

		if (l->at == l->end) {
			got = raw3(__NR_read, l->fd, l->room, sizeof(l->room));
			if (got <= 0)
				return false;
			l->at = 0;
			l->end = (size_t)got;
		}
		if (l->room[l->at] == '\n') {
			l->at++;
			line[n] = '\0';
			return true;
		}
		if (n < size - 1)
			line[n++] = l->room[l->at];
		l->at++;
	}
}

static uint64_t take_hex(const char **p)
{
	uint64_t n = 0;

	for (;; (*p)++) {
		if (**p >= '0' && **p <= '9')
			n = n << 4 | (uint64_t)(**p - '0');
		else if (**p >= 'a' && **p <= 'f')
			n = n << 4 | (uint64_t)(**p - 'a' + 10);
		else
			return n;
	}
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

/* "BEGIN-END rwxp OFFSET DEV INODE      PATH": leaves the path, empty when there is none. */
static const char *take_mapping(const char *p, uint64_t *begin, uint64_t *end, uint64_t *offset)
{
	*begin = take_hex(&p);
	if (*p++ != '-')
		return "";
	*end = take_hex(&p);
	for (int field = 0; field < 2; field++) {
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
		if (!field)
			continue;
		*offset = take_hex(&p);
	}
	for (int field = 0; field < 3; field++) {
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
	}
	return p;
}

static bool read_headers(uint64_t base, struct unwind_object *o)
{
	Elf64_Ehdr eh = {0};
	Elf64_Phdr ph = {0};
	uint64_t unwind = 0;
	bool loaded = false;

	if (!unwind_read(base, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_phentsize != sizeof(ph))
		return false;
	for (unsigned i = 0; i < eh.e_phnum && i < HEADERS_MAX; i++) {
		if (!unwind_read(base + eh.e_phoff + i * sizeof(ph), &ph, sizeof(ph)))
			return false;
		if (ph.p_type == PT_LOAD && !loaded) {
			o->bias = base - (ph.p_vaddr - ph.p_offset);
			loaded = true;
		} else if (ph.p_type == PT_GNU_EH_FRAME) {
			unwind = ph.p_vaddr;
		}
	}
	o->hdr = unwind ? o->bias + unwind : 0;
	return loaded;
}

bool unwind_object(uint64_t ip, struct unwind_object *o)
{
	struct lines l = {
		.fd = (int)raw3(__NR_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC)};
	char line[512];
	uint64_t base = 0, begin, end, offset = 0;
	bool found = false;

	if (l.fd < 0)
		return false;
	o->path[0] = '\0';
	while (!found && next_line(&l, line, sizeof(line))) {
		const char *path = take_mapping(line, &begin, &end, &offset);
		size_t n = 0;

		if (!*path)
			continue;
		if (!offset && !same(path, o->path)) {
			base = begin;
			while (n < sizeof(o->path) - 1 && path[n]) {
				o->path[n] = path[n];
				n++;
			}
			o->path[n] = '\0';
		}
		found = ip >= begin && ip < end && same(path, o->path);
	}
	raw1(__NR_close, l.fd);
	return found && read_headers(base, o);
}

static bool read_at(int fd, uint64_t at, void *to, size_t n)
{
	return raw4(__NR_pread64, fd, to, n, at) == (long)n;
}

/* Local names too, where they were not stripped. */
static bool find_symbols(int fd, Elf64_Shdr *symbols, Elf64_Shdr *strings)
{
	Elf64_Ehdr eh = {0};
	Elf64_Shdr sh = {0};
	bool found = false;

	if (!read_at(fd, 0, &eh, sizeof(eh)) || memcmp(eh.e_ident, ELFMAG, SELFMAG) ||
	    eh.e_shentsize != sizeof(sh))
		return false;
	for (unsigned i = 0; i < eh.e_shnum && i < SECTIONS; i++) {
		if (!read_at(fd, eh.e_shoff + i * sizeof(sh), &sh, sizeof(sh)))
			return false;
		if (sh.sh_type != SHT_SYMTAB && (sh.sh_type != SHT_DYNSYM || found))
			continue;
		*symbols = sh;
		found = read_at(fd, eh.e_shoff + sh.sh_link * sizeof(sh), strings, sizeof(sh));
		if (sh.sh_type == SHT_SYMTAB)
			break;
	}
	return found && symbols->sh_entsize == sizeof(Elf64_Sym);
}

static bool search(int fd, uint64_t at, const Elf64_Shdr *symbols, Elf64_Sym *best)
{
	Elf64_Sym chunk[CHUNK] = {0};
	uint64_t count = symbols->sh_size / sizeof(*chunk);
	bool found = false;

	for (uint64_t i = 0; i < count; i += CHUNK) {
		uint64_t n = count - i < CHUNK ? count - i : CHUNK;

		if (!read_at(fd, symbols->sh_offset + i * sizeof(*chunk), chunk,
			     n * sizeof(*chunk)))
			return found;
		for (uint64_t k = 0; k < n; k++) {
			const Elf64_Sym *s = &chunk[k];

			if ((s->st_info & 0xf) != STT_FUNC || !s->st_shndx || s->st_value > at ||
			    (s->st_size && at - s->st_value >= s->st_size) ||
			    (found && s->st_value < best->st_value))
				continue;
			*best = *s;
			found = true;
		}
	}
	return found;
}

bool unwind_name(const char *path, uint64_t at, char name[64], uint64_t *offset)
{
	int fd = (int)raw3(__NR_openat, AT_FDCWD, path,
			   O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	Elf64_Shdr symbols = {0}, strings = {0};
	Elf64_Sym best = {0};
	struct stat st = {0};
	bool found;
	long n = 0;

	if (fd < 0)
		return false;
	found = !raw2(__NR_fstat, fd, &st) && S_ISREG(st.st_mode) &&
		find_symbols(fd, &symbols, &strings) && search(fd, at, &symbols, &best);
	if (found)
		n = raw4(__NR_pread64, fd, name, 63, strings.sh_offset + best.st_name);
	raw1(__NR_close, fd);
	if (n <= 0)
		return false;
	name[n] = '\0';
	for (char *c = name; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	*offset = at - best.st_value;
	return true;
}
