/* SPDX-License-Identifier: MIT */
/* A program or library file: its segments, what it needs, what it imports. */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1UL << 30) /* a bound on the work: larger ones hold debug information */

#ifndef DF_1_NODEFLIB
#define DF_1_NODEFLIB 0x800
#endif

#define GO_BUILD_ID 4 /* type of the note of the name "Go" */

/* The bytes at an offset in the file. */
static const void *bytes(const struct image *image, uint64_t offset, uint64_t size)
{
	if (size > image->size || offset > image->size - size)
		return NULL;
	return image->data + offset;
}

const void *image_at(const struct image *image, uint64_t address, uint64_t size)
{
	for (unsigned i = 0; i < image->loads; i++) {
		const struct image_load *load = &image->load[i];

		if (address >= load->begin && size <= load->size &&
		    address - load->begin <= load->size - size)
			return bytes(image, load->offset + (address - load->begin), size);
	}
	return NULL;
}

static bool get(const struct image *image, void *to, uint64_t address, uint64_t size)
{
	const void *from = image_at(image, address, size);

	if (from)
		memcpy(to, from, size);
	return from;
}

static const char *add_load(struct image *image, const Elf64_Phdr *phdr)
{
	struct image_load *load = &image->load[image->loads];

	if (image->loads == IMAGE_LOADS)
		return "it has too many segments";
	if (phdr->p_offset > image->size)
		return "a segment lies behind the file's end";
	load->begin = phdr->p_vaddr;
	load->offset = phdr->p_offset;
	load->size = phdr->p_filesz;
	if (load->size > image->size - load->offset)
		load->size = image->size - load->offset;
	if (load->begin + load->size < load->begin)
		return "a segment goes round the end of memory";
	load->text = phdr->p_flags & PF_X;
	image->loads++;
	return NULL;
}

static const char *string(const struct image *image, uint64_t offset)
{
	if (offset >= image->strings_size ||
	    !memchr(image->strings + offset, '\0', image->strings_size - offset))
		return NULL;
	return image->strings + offset;
}

/* Every entry is read twice: the strings may be told of after the names in them. */
static const char *read_dynamic(struct image *image, const Elf64_Phdr *phdr, int pass)
{
	uint64_t strings = 0, strings_size = 0;

	for (uint64_t at = phdr->p_offset; at - phdr->p_offset < phdr->p_filesz;
	     at += sizeof(Elf64_Dyn)) {
		const void *entry = bytes(image, at, sizeof(Elf64_Dyn));
		const char *name;
		Elf64_Dyn dyn;

		if (!entry)
			return "it ends inside its dynamic section";
		memcpy(&dyn, entry, sizeof(dyn));
		if (dyn.d_tag == DT_NULL)
			break;
		name = pass ? string(image, dyn.d_un.d_val) : NULL;
		switch (dyn.d_tag) {
		case DT_STRTAB:
			strings = dyn.d_un.d_ptr;
			break;
		case DT_STRSZ:
			strings_size = dyn.d_un.d_val;
			break;
		case DT_SYMTAB:
			image->symbols = dyn.d_un.d_ptr;
			break;
		case DT_RELA:
			image->relocations[0].at = dyn.d_un.d_ptr;
			break;
		case DT_RELASZ:
			image->relocations[0].size = dyn.d_un.d_val;
			break;
		case DT_JMPREL:
			image->relocations[1].at = dyn.d_un.d_ptr;
			break;
		case DT_PLTRELSZ:
			image->relocations[1].size = dyn.d_un.d_val;
			break;
		case DT_FLAGS_1:
			image->no_default = dyn.d_un.d_val & DF_1_NODEFLIB;
			break;
		case DT_SONAME:
			image->soname = name;
			break;
		case DT_RPATH:
			image->rpath = name;
			break;
		case DT_RUNPATH:
			image->runpath = name;
			break;
		case DT_NEEDED:
			if (!pass)
				break;
			if (!name)
				return "the name of a library lies outside of its strings";
			if (image->needs == IMAGE_NEEDED)
				return "it needs too many libraries";
			image->needed[image->needs++] = name;
			break;
		}
	}
	if (pass)
		return NULL;
	image->strings_size = strings_size;
	image->strings = image_at(image, strings, strings_size);
	return strings_size && !image->strings ? "its strings lie outside of its segments" : NULL;
}

/* elf(5), Notes: three words, a name and a value, each filled up to four bytes. */
static void read_notes(struct image *image, uint64_t offset, uint64_t size)
{
	Elf64_Nhdr note;

	while (size >= sizeof(note) && bytes(image, offset, size)) {
		uint64_t names, all;

		memcpy(&note, image->data + offset, sizeof(note));
		names = ((uint64_t)note.n_namesz + 3) & ~3UL;
		all = sizeof(note) + names + (((uint64_t)note.n_descsz + 3) & ~3UL);
		if (all > size)
			break;
		if (note.n_type == GO_BUILD_ID && note.n_namesz == 4 &&
		    !memcmp(image->data + offset + sizeof(note), "Go", 3))
			image->go = true;
		offset += all;
		size -= all;
	}
}

const char *image_parse(struct image *image, const void *data, uint64_t size)
{
	Elf64_Phdr phdr, dynamic = {.p_type = PT_NULL};
	const char *damage = NULL;
	Elf64_Ehdr ehdr;

	memset(image, 0, sizeof(*image));
	image->data = data;
	image->size = size;
	if (!bytes(image, 0, sizeof(ehdr)))
		return "it ends inside its header";
	memcpy(&ehdr, data, sizeof(ehdr));
	if (ehdr.e_phentsize != sizeof(phdr))
		return "its program headers have a wrong size";
	for (unsigned i = 0; i < ehdr.e_phnum && !damage; i++) {
		const void *at = bytes(image, ehdr.e_phoff + i * sizeof(phdr), sizeof(phdr));

		if (!at)
			return "it ends before its program headers do";
		memcpy(&phdr, at, sizeof(phdr));
		if (phdr.p_type == PT_LOAD)
			damage = add_load(image, &phdr);
		else if (phdr.p_type == PT_DYNAMIC)
			dynamic = phdr;
		else if (phdr.p_type == PT_NOTE)
			read_notes(image, phdr.p_offset, phdr.p_filesz);
	}
	for (int pass = 0; pass < 2 && !damage && dynamic.p_type == PT_DYNAMIC; pass++)
		damage = read_dynamic(image, &dynamic, pass);
	return damage;
}

/* Imports are what relocations name and the file itself does not define. */
void image_imports(const struct image *image, void (*each)(void *cookie, const char *name),
		   void *cookie)
{
	uint64_t last = 0;

	for (int table = 0; table < 2; table++) {
		const struct image_relocations *all = &image->relocations[table];

		for (uint64_t at = 0; at < all->size; at += sizeof(Elf64_Rela)) {
			const char *name;
			uint64_t index;
			Elf64_Rela rela;
			Elf64_Sym sym;

			if (!get(image, &rela, all->at + at, sizeof(rela)))
				break;
			index = ELF64_R_SYM(rela.r_info);
			if (!index || index == last)
				continue;
			last = index;
			if (!get(image, &sym, image->symbols + index * sizeof(sym), sizeof(sym)) ||
			    sym.st_shndx != SHN_UNDEF)
				continue;
			name = string(image, sym.st_name);
			if (name && *name)
				each(cookie, name);
		}
	}
}

/* Not mapped: a file that becomes shorter meanwhile would be a SIGBUS. */
int image_read(const char *path, void **data, uint64_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	uint64_t got = 0;
	int ret = 0;

	if (fd < 0)
		return -errno;
	*data = NULL;
	if (fstat(fd, &st))
		ret = -errno;
	else if (!S_ISREG(st.st_mode))
		ret = -EACCES;
	else if ((uint64_t)st.st_size > FILE_MAX)
		ret = -EFBIG;
	else if (!(*data = malloc((size_t)st.st_size + 1)))
		ret = -ENOMEM;
	while (!ret && got < (uint64_t)st.st_size) {
		ssize_t n = read(fd, (char *)*data + got, (size_t)st.st_size - got);

		if (n < 0 && errno != EINTR)
			ret = -errno;
		if (!n)
			break;
		got += n > 0 ? (uint64_t)n : 0;
	}
	close(fd);
	if (ret)
		free(*data);
	*size = got;
	return ret;
}
