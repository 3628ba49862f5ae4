/* SPDX-License-Identifier: MIT */
/* Reads the headers of an ELF file with the checks of the kernel's load_elf_binary(). */
#include "elf.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The kernel's limits (fs/binfmt_elf.c): load_elf_phdrs(), load_elf_binary(). */
#define PHDRS_MAX  65536U
#define INTERP_MIN 2U

/* A bound on the work, not a limit of the format: real ones have some thirty entries. */
#define DYNAMIC_MAX 4096U

/* <elf.h> of glibc before 2.27 lacks it. */
#ifndef DF_1_PIE
#define DF_1_PIE 0x08000000
#endif

#define OURS EM_X86_64

/* Returns 1 when all SIZE bytes are there, 0 when the file ends before, or -errno. */
static int read_all(const struct elf_reader *reader, void *buffer, size_t size, uint64_t offset)
{
	long n;

	if (offset > INT64_MAX - size)
		return 0;
	n = reader->read_at(reader->cookie, buffer, size, offset);
	if (n < 0)
		return (int)n;
	return (size_t)n == size;
}

static int damaged(struct elf_facts *facts, const char *how)
{
	facts->kind = ELF_DAMAGED;
	facts->damage = how;
	return 0;
}

static int find_interp(const struct elf_reader *reader, struct elf_facts *facts,
		       const Elf64_Phdr *phdr)
{
	int ret;

	if (phdr->p_filesz < INTERP_MIN || phdr->p_filesz > sizeof(facts->interp))
		return damaged(facts, "its loader's name has no sane length");
	ret = read_all(reader, facts->interp, phdr->p_filesz, phdr->p_offset);
	if (ret < 0)
		return ret;
	if (!ret)
		return damaged(facts, "it ends before its loader's name");
	if (facts->interp[phdr->p_filesz - 1])
		return damaged(facts, "its loader's name has no end");
	facts->kind = ELF_DYNAMIC;
	return 0;
}

/*
 * Without a loader of its own it is a library or the loader, unless ld has marked it as a
 * program: gcc -static-pie makes those.
 */
static int judge_shared(const struct elf_reader *reader, struct elf_facts *facts,
			const Elf64_Phdr *phdr)
{
	uint64_t count = phdr->p_filesz / sizeof(Elf64_Dyn);

	facts->kind = ELF_SHARED;
	for (uint64_t i = 0; i < count && i < DYNAMIC_MAX; i++) {
		uint64_t offset = phdr->p_offset + i * sizeof(Elf64_Dyn);
		Elf64_Dyn dyn;
		int ret = offset < phdr->p_offset ? 0 : read_all(reader, &dyn, sizeof(dyn), offset);

		if (ret < 0)
			return ret;
		if (!ret)
			return damaged(facts, "it ends inside its dynamic section");
		if (dyn.d_tag == DT_FLAGS_1 && dyn.d_un.d_val & DF_1_PIE)
			facts->kind = ELF_STATIC;
		if (dyn.d_tag == DT_NULL)
			break;
	}
	return 0;
}

static int read_phdrs(const struct elf_reader *reader, struct elf_facts *facts,
		      const Elf64_Ehdr *ehdr)
{
	Elf64_Phdr phdr, dynamic = {.p_type = PT_NULL};

	if (ehdr->e_phentsize != sizeof(phdr))
		return damaged(facts, "its program headers have a wrong size");
	if (!ehdr->e_phnum || ehdr->e_phnum > PHDRS_MAX / sizeof(phdr))
		return damaged(facts, "it has none or too many program headers");
	for (unsigned i = 0; i < ehdr->e_phnum; i++) {
		uint64_t offset = ehdr->e_phoff + i * sizeof(phdr);
		int ret =
			offset < ehdr->e_phoff ? 0 : read_all(reader, &phdr, sizeof(phdr), offset);

		if (ret < 0)
			return ret;
		if (!ret)
			return damaged(facts, "it ends before its program headers do");
		if (phdr.p_type == PT_INTERP)
			return find_interp(reader, facts, &phdr);
		if (phdr.p_type == PT_DYNAMIC)
			dynamic = phdr;
	}
	facts->kind = ELF_STATIC;
	if (ehdr->e_type == ET_DYN && dynamic.p_type == PT_DYNAMIC)
		return judge_shared(reader, facts, &dynamic);
	return 0;
}

static int read_ident(struct elf_facts *facts, const unsigned char *head)
{
	switch (head[EI_CLASS]) {
	case ELFCLASS32:
		facts->bits = 32;
		break;
	case ELFCLASS64:
		facts->bits = 64;
		break;
	default:
		return damaged(facts, "it is neither of 32 nor of 64 bits");
	}
	/* e_type and e_machine have the same place in both classes */
	switch (head[EI_DATA]) {
	case ELFDATA2LSB:
		facts->machine = head[18] | (unsigned)head[19] << 8;
		break;
	case ELFDATA2MSB:
		facts->machine = head[19] | (unsigned)head[18] << 8;
		break;
	default:
		return damaged(facts, "its byte order is unknown");
	}
	facts->kind = ELF_FOREIGN;
	return 0;
}

int elf_inspect(const struct elf_reader *reader, struct elf_facts *facts)
{
	/* what a file too short for it leaves unread is zero, which is no valid header */
	Elf64_Ehdr ehdr = {.e_type = ET_NONE};
	long n;
	int ret;

	memset(facts, 0, sizeof(*facts));
	facts->kind = ELF_NOT;
	n = reader->read_at(reader->cookie, &ehdr, sizeof(ehdr), 0);
	if (n < 0)
		return (int)n;
	if (n < SELFMAG || memcmp(ehdr.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	if (n < (long)sizeof(Elf32_Ehdr))
		return damaged(facts, "it ends inside its header");
	ret = read_ident(facts, (const unsigned char *)&ehdr);
	if (ret || facts->kind != ELF_FOREIGN)
		return ret;
	if (facts->machine != OURS || facts->bits != 64 || ehdr.e_ident[EI_DATA] != ELFDATA2LSB)
		return 0;
	if (n < (long)sizeof(ehdr))
		return damaged(facts, "it ends inside its header");
	if (ehdr.e_type != ET_EXEC && ehdr.e_type != ET_DYN) {
		facts->kind = ELF_OTHER;
		return 0;
	}
	return read_phdrs(reader, facts, &ehdr);
}

static long read_fd(void *cookie, void *buffer, size_t size, uint64_t offset)
{
	const int *fd = cookie;
	size_t got = 0;

	while (got < size) {
		ssize_t n = pread(*fd, (char *)buffer + got, size - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (long)got;
}

int elf_inspect_fd(int fd, struct elf_facts *facts)
{
	struct elf_reader reader = {read_fd, &fd};

	return elf_inspect(&reader, facts);
}

int elf_inspect_file(const char *path, struct elf_facts *facts)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int ret;

	if (fd < 0)
		return -errno;
	ret = elf_inspect_fd(fd, facts);
	close(fd);
	return ret;
}

const char *elf_machine_name(unsigned machine)
{
	static const struct {
		unsigned machine;
		const char *name;
	} names[] = {
		{EM_386, "i386"},        {EM_X86_64, "x86-64"}, {EM_ARM, "ARM"},
		{EM_AARCH64, "AArch64"}, {EM_RISCV, "RISC-V"},  {EM_PPC, "PowerPC"},
		{EM_PPC64, "PowerPC"},   {EM_S390, "S/390"},    {EM_MIPS, "MIPS"},
		{EM_SPARCV9, "SPARC"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return NULL;
}
