/* SPDX-License-Identifier: MIT */
/* What an ELF file says about how it wants to be run. Trusts nothing that it reads. */
#ifndef COPATCH_LAUNCH_ELF_H
#define COPATCH_LAUNCH_ELF_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

enum elf_kind {
	ELF_NOT,     /* no ELF file at all */
	ELF_DYNAMIC, /* a program that asks for the loader in `interp` */
	ELF_STATIC,  /* a program without a loader, position-independent or not */
	ELF_SHARED,  /* a library, or the loader itself */
	ELF_FOREIGN, /* for another machine: see `machine` and `bits` */
	ELF_OTHER,   /* an object file or a core */
	ELF_DAMAGED, /* see `damage` */
};

struct elf_facts {
	enum elf_kind kind;
	unsigned bits;
	unsigned machine;   /* EM_... */
	const char *damage; /* a phrase */
	char interp[PATH_MAX];
};

struct elf_reader {
	/* As pread: how many bytes there were, fewer only at the end, or -errno. */
	long (*read_at)(void *cookie, void *buffer, size_t size, uint64_t offset);
	void *cookie;
};

/* Returns 0, or -errno when reading failed. */
int elf_inspect(const struct elf_reader *reader, struct elf_facts *facts)
	__attribute__((warn_unused_result));
int elf_inspect_fd(int fd, struct elf_facts *facts) __attribute__((warn_unused_result));
int elf_inspect_file(const char *path, struct elf_facts *facts) __attribute__((warn_unused_result));

/* "i386", or NULL for one that has no name here. */
const char *elf_machine_name(unsigned machine);

#endif
