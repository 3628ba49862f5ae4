/* SPDX-License-Identifier: MIT */
/* Unit tests: what the launcher reads out of ELF headers, sound and broken. */
/* OBJS: shim/launch/elf.o */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../shim/launch/elf.h"

#define LOADER "/lib64/ld-linux-x86-64.so.2"

/* A file of headers, a loader's name and a dynamic section; `size` bytes of it are there. */
struct image {
	struct {
		Elf64_Ehdr ehdr;
		Elf64_Phdr phdrs[2];
		Elf64_Dyn dyn[2];
		char interp[32];
	} bytes;
	size_t size;
	int error;
	unsigned reads;
};

static long read_image(void *cookie, void *buffer, size_t size, uint64_t offset)
{
	struct image *image = cookie;

	image->reads++;
	if (image->error)
		return image->error;
	if (offset >= image->size)
		return 0;
	if (size > image->size - offset)
		size = image->size - offset;
	memcpy(buffer, (const char *)&image->bytes + offset, size);
	return (long)size;
}

static struct image program(void)
{
	struct image image = {.size = sizeof(image.bytes)};
	Elf64_Ehdr *ehdr = &image.bytes.ehdr;

	memcpy(ehdr->e_ident, ELFMAG, SELFMAG);
	ehdr->e_ident[EI_CLASS] = ELFCLASS64;
	ehdr->e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr->e_type = ET_DYN;
	ehdr->e_machine = EM_X86_64;
	ehdr->e_phoff = sizeof(*ehdr);
	ehdr->e_phentsize = sizeof(Elf64_Phdr);
	ehdr->e_phnum = 2;
	image.bytes.phdrs[0].p_type = PT_LOAD;
	image.bytes.phdrs[1].p_type = PT_INTERP;
	image.bytes.phdrs[1].p_offset = (size_t)((char *)image.bytes.interp - (char *)ehdr);
	image.bytes.phdrs[1].p_filesz = sizeof(LOADER);
	memcpy(image.bytes.interp, LOADER, sizeof(LOADER));
	return image;
}

/* Without a loader, with a dynamic section of one entry and its end. */
static struct image library(int64_t tag, uint64_t value)
{
	struct image image = program();

	image.bytes.phdrs[1].p_type = PT_DYNAMIC;
	image.bytes.phdrs[1].p_offset =
		(size_t)((char *)image.bytes.dyn - (char *)&image.bytes.ehdr);
	image.bytes.phdrs[1].p_filesz = sizeof(image.bytes.dyn);
	image.bytes.dyn[0].d_tag = tag;
	image.bytes.dyn[0].d_un.d_val = value;
	return image;
}

static struct elf_facts inspect(struct image *image)
{
	struct elf_reader reader = {read_image, image};
	struct elf_facts facts;

	ck_assert_int_eq(elf_inspect(&reader, &facts), 0);
	ck_assert(!facts.damage == (facts.kind != ELF_DAMAGED));
	return facts;
}

#define ck_assert_kind(image, expected) ck_assert_int_eq(inspect(image).kind, expected)

START_TEST(dynamic)
{
	struct image image = program();

	ck_assert_kind(&image, ELF_DYNAMIC);
	ck_assert_str_eq(inspect(&image).interp, LOADER);
	image.bytes.ehdr.e_type = ET_EXEC;
	ck_assert_kind(&image, ELF_DYNAMIC);
}
END_TEST

START_TEST(statically_linked)
{
	struct image image = program();

	image.bytes.phdrs[1].p_type = PT_NOTE;
	ck_assert_kind(&image, ELF_STATIC);
	image.bytes.ehdr.e_type = ET_EXEC;
	ck_assert_kind(&image, ELF_STATIC);
	image = library(DT_FLAGS_1, DF_1_NOW | 0x08000000 /* DF_1_PIE */);
	ck_assert_kind(&image, ELF_STATIC);
}
END_TEST

START_TEST(shared)
{
	struct image image = library(DT_SONAME, 1);

	ck_assert_kind(&image, ELF_SHARED);
	image = library(DT_FLAGS_1, DF_1_NOW);
	ck_assert_kind(&image, ELF_SHARED);
	/* what comes after the end does not count */
	image = library(DT_NULL, 0);
	image.bytes.dyn[1].d_tag = DT_FLAGS_1;
	image.bytes.dyn[1].d_un.d_val = 0x08000000;
	ck_assert_kind(&image, ELF_SHARED);
}
END_TEST

START_TEST(foreign)
{
	struct image image = program();

	image.bytes.ehdr.e_machine = EM_AARCH64;
	ck_assert_kind(&image, ELF_FOREIGN);
	ck_assert_uint_eq(inspect(&image).machine, EM_AARCH64);
	ck_assert_uint_eq(inspect(&image).bits, 64);
	image.bytes.ehdr.e_machine = EM_386;
	image.bytes.ehdr.e_ident[EI_CLASS] = ELFCLASS32;
	ck_assert_kind(&image, ELF_FOREIGN);
	ck_assert_uint_eq(inspect(&image).bits, 32);
	/* x32 */
	image.bytes.ehdr.e_machine = EM_X86_64;
	ck_assert_kind(&image, ELF_FOREIGN);
	/* a header of the shorter kind is enough to tell */
	image.size = sizeof(Elf32_Ehdr);
	ck_assert_kind(&image, ELF_FOREIGN);
}
END_TEST

START_TEST(foreign_byte_order)
{
	struct image image = program();

	image.bytes.ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
	image.bytes.ehdr.e_machine = EM_S390 << 8;
	ck_assert_kind(&image, ELF_FOREIGN);
	ck_assert_uint_eq(inspect(&image).machine, EM_S390);
	/* x86-64 in the wrong order is no machine of ours */
	image.bytes.ehdr.e_machine = EM_X86_64 << 8;
	ck_assert_kind(&image, ELF_FOREIGN);
}
END_TEST

START_TEST(object_and_core)
{
	struct image image = program();

	image.bytes.ehdr.e_type = ET_REL;
	ck_assert_kind(&image, ELF_OTHER);
	image.bytes.ehdr.e_type = ET_CORE;
	ck_assert_kind(&image, ELF_OTHER);
}
END_TEST

START_TEST(no_elf)
{
	struct image image = program();

	image.size = 0;
	ck_assert_kind(&image, ELF_NOT);
	image.size = SELFMAG - 1;
	ck_assert_kind(&image, ELF_NOT);
	image = program();
	image.bytes.ehdr.e_ident[0] = '#';
	ck_assert_kind(&image, ELF_NOT);
}
END_TEST

START_TEST(cut_off_anywhere)
{
	struct image image = program();
	const size_t whole = image.bytes.phdrs[1].p_offset + sizeof(LOADER);

	for (image.size = SELFMAG; image.size < whole; image.size++)
		ck_assert_kind(&image, ELF_DAMAGED);
	ck_assert_kind(&image, ELF_DYNAMIC);
	image = library(DT_SONAME, 1);
	image.size = image.bytes.phdrs[1].p_offset + sizeof(Elf64_Dyn);
	ck_assert_kind(&image, ELF_DAMAGED);
}
END_TEST

START_TEST(bad_header)
{
	struct image image = program();

	image.bytes.ehdr.e_ident[EI_CLASS] = 3;
	ck_assert_kind(&image, ELF_DAMAGED);
	image = program();
	image.bytes.ehdr.e_ident[EI_DATA] = 0;
	ck_assert_kind(&image, ELF_DAMAGED);
	image = program();
	image.bytes.ehdr.e_phentsize = sizeof(Elf32_Phdr);
	ck_assert_kind(&image, ELF_DAMAGED);
	image = program();
	image.bytes.ehdr.e_phnum = 0;
	ck_assert_kind(&image, ELF_DAMAGED);
	image.bytes.ehdr.e_phnum = 0xffff;
	ck_assert_kind(&image, ELF_DAMAGED);
	ck_assert_uint_lt(image.reads, 10);
}
END_TEST

START_TEST(bad_offsets)
{
	static const uint64_t offsets[] = {
		1UL << 40,      INT64_MAX,       (uint64_t)INT64_MAX + 1,
		UINT64_MAX - 8, UINT64_MAX - 60, UINT64_MAX,
	};

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		struct image image = program();

		image.bytes.ehdr.e_phoff = offsets[i];
		ck_assert_kind(&image, ELF_DAMAGED);
		image = program();
		image.bytes.phdrs[1].p_offset = offsets[i];
		ck_assert_kind(&image, ELF_DAMAGED);
		image = library(DT_SONAME, 1);
		image.bytes.phdrs[1].p_offset = offsets[i];
		ck_assert_kind(&image, ELF_DAMAGED);
	}
}
END_TEST

START_TEST(bad_interp)
{
	struct image image = program();

	image.bytes.phdrs[1].p_filesz = 0;
	ck_assert_kind(&image, ELF_DAMAGED);
	image.bytes.phdrs[1].p_filesz = 1;
	ck_assert_kind(&image, ELF_DAMAGED);
	/* no NUL at its end */
	image.bytes.phdrs[1].p_filesz = sizeof(LOADER) - 1;
	ck_assert_kind(&image, ELF_DAMAGED);
	image.bytes.phdrs[1].p_filesz = PATH_MAX + 1;
	ck_assert_kind(&image, ELF_DAMAGED);
	image.bytes.phdrs[1].p_filesz = UINT64_MAX;
	ck_assert_kind(&image, ELF_DAMAGED);
}
END_TEST

START_TEST(endless_dynamic)
{
	struct image image = library(DT_SONAME, 1);

	/* the entries lie over each other as far as the file goes: bounded by its end */
	image.bytes.phdrs[1].p_filesz = UINT64_MAX;
	image.bytes.dyn[1].d_tag = DT_SONAME;
	ck_assert_kind(&image, ELF_DAMAGED);
	ck_assert_uint_lt(image.reads, 100);
}
END_TEST

START_TEST(read_error)
{
	struct image image = program();
	struct elf_reader reader = {read_image, &image};
	struct elf_facts facts;

	image.error = -EIO;
	ck_assert_int_eq(elf_inspect(&reader, &facts), -EIO);
}
END_TEST

START_TEST(files)
{
	struct elf_facts facts;

	ck_assert_int_eq(elf_inspect_file("/proc/self/exe", &facts), 0);
	ck_assert_int_eq(facts.kind, ELF_DYNAMIC);
	ck_assert_int_eq(elf_inspect_file("/dev/null", &facts), 0);
	ck_assert_int_eq(facts.kind, ELF_NOT);
	ck_assert_int_eq(elf_inspect_file("/no/such/file", &facts), -ENOENT);
	ck_assert_int_eq(elf_inspect_file("/", &facts), -EISDIR);
}
END_TEST

START_TEST(machine_names)
{
	ck_assert_str_eq(elf_machine_name(EM_386), "i386");
	ck_assert_ptr_null(elf_machine_name(65535));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("launch_elf");
	TCase *sound = tcase_create("sound"), *broken = tcase_create("broken");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(sound, dynamic);
	tcase_add_test(sound, statically_linked);
	tcase_add_test(sound, shared);
	tcase_add_test(sound, foreign);
	tcase_add_test(sound, foreign_byte_order);
	tcase_add_test(sound, object_and_core);
	tcase_add_test(sound, no_elf);
	tcase_add_test(sound, files);
	tcase_add_test(sound, machine_names);
	tcase_add_test(broken, cut_off_anywhere);
	tcase_add_test(broken, bad_header);
	tcase_add_test(broken, bad_offsets);
	tcase_add_test(broken, bad_interp);
	tcase_add_test(broken, endless_dynamic);
	tcase_add_test(broken, read_error);
	suite_add_tcase(suite, sound);
	suite_add_tcase(suite, broken);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
