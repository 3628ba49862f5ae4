/* SPDX-License-Identifier: MIT */
/* Unit tests: what copatch doctor reads out of files, sound and hostile. */
/* OBJS: shim/launch/image.o shim/launch/sites.o shim/launch/cache.o */
/* OBJS: shim/patch_decode.o shim/patch_frames.o shim/patch_plan.o */
#include <elf.h>
#include <string.h>

#include "../shim/launch/closure.h"
#include "../shim/launch/sites.h"
#include "unit.h"

#define AT 0x1000 /* where the file's one segment is */

/* Headers, a dynamic section, strings, a note, symbols, relocations. */
static struct file {
	Elf64_Ehdr ehdr;
	Elf64_Phdr phdr[3];
	Elf64_Dyn dyn[10];
	struct {
		Elf64_Nhdr head;
		char name[4];
	} note;
	Elf64_Sym sym[3];
	Elf64_Rela rela[3];
	uint8_t text[64];
	char strings[64];
} file;

static struct image image;
static unsigned imports;

#define PLACE(field) ((uint64_t)((char *)&file.field - (char *)&file))

static void setup(void)
{
	static const char strings[] = "\0libb.so\0libc.so\0$ORIGIN\0write";

	memset(&file, 0, sizeof(file));
	memcpy(file.ehdr.e_ident, ELFMAG, SELFMAG);
	file.ehdr.e_phoff = PLACE(phdr);
	file.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	file.ehdr.e_phnum = 3;
	file.phdr[0] = (Elf64_Phdr){.p_type = PT_LOAD,
				    .p_flags = PF_R | PF_X,
				    .p_vaddr = AT,
				    .p_filesz = sizeof(file),
				    .p_memsz = sizeof(file)};
	file.phdr[1] = (Elf64_Phdr){
		.p_type = PT_DYNAMIC, .p_offset = PLACE(dyn), .p_filesz = sizeof(file.dyn)};
	file.phdr[2] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = PLACE(note), .p_filesz = sizeof(file.note)};
	/* names come before what says where they are */
	file.dyn[0] = (Elf64_Dyn){DT_NEEDED, {1}};
	file.dyn[1] = (Elf64_Dyn){DT_NEEDED, {9}};
	file.dyn[2] = (Elf64_Dyn){DT_RUNPATH, {17}};
	file.dyn[3] = (Elf64_Dyn){DT_STRTAB, {AT + PLACE(strings)}};
	file.dyn[4] = (Elf64_Dyn){DT_STRSZ, {sizeof(file.strings)}};
	file.dyn[5] = (Elf64_Dyn){DT_SYMTAB, {AT + PLACE(sym)}};
	file.dyn[6] = (Elf64_Dyn){DT_RELA, {AT + PLACE(rela)}};
	file.dyn[7] = (Elf64_Dyn){DT_RELASZ, {sizeof(file.rela)}};
	memcpy(file.strings, strings, sizeof(strings));
	file.note.head = (Elf64_Nhdr){4, 0, 4};
	memcpy(file.note.name, "Go", 3);
	file.sym[1] = (Elf64_Sym){.st_name = 25, .st_shndx = SHN_UNDEF};
	file.sym[2] = (Elf64_Sym){.st_name = 25, .st_shndx = 1};
	file.rela[0].r_info = ELF64_R_INFO(1UL, R_X86_64_GLOB_DAT);
	file.rela[1].r_info = ELF64_R_INFO(2UL, R_X86_64_GLOB_DAT);
	imports = 0;
}

static const char *parse(void)
{
	return image_parse(&image, &file, sizeof(file));
}

static void count(void *cookie, const char *name)
{
	(void)cookie;
	ck_assert_str_eq(name, "write");
	imports++;
}

START_TEST(sound)
{
	ck_assert_ptr_null(parse());
	ck_assert_uint_eq(image.needs, 2);
	ck_assert_str_eq(image.needed[0], "libb.so");
	ck_assert_str_eq(image.needed[1], "libc.so");
	ck_assert_str_eq(image.runpath, "$ORIGIN");
	ck_assert_ptr_null(image.rpath);
	ck_assert(image.go);
	image_imports(&image, count, NULL);
	ck_assert_uint_eq(imports, 1);
	memcpy(file.note.name, "GNU", 4);
	ck_assert_ptr_null(parse());
	ck_assert(!image.go);
}
END_TEST

START_TEST(addresses)
{
	ck_assert_ptr_null(parse());
	ck_assert_ptr_eq(image_at(&image, AT, sizeof(file)), &file);
	ck_assert_ptr_null(image_at(&image, AT, sizeof(file) + 1));
	ck_assert_ptr_null(image_at(&image, AT - 1, 1));
	ck_assert_ptr_null(image_at(&image, AT + sizeof(file), 1));
	ck_assert_ptr_null(image_at(&image, AT + 1, UINT64_MAX));
	/* what a segment claims beyond the file's end is not there */
	file.phdr[0].p_filesz = UINT64_MAX / 2;
	ck_assert_ptr_null(parse());
	ck_assert_ptr_null(image_at(&image, AT, sizeof(file) + 1));
}
END_TEST

START_TEST(hostile)
{
	file.dyn[0].d_un.d_val = sizeof(file.strings);
	ck_assert_ptr_nonnull(parse());
	setup();
	memset(file.strings, 'x', sizeof(file.strings));
	ck_assert_ptr_nonnull(parse());
	setup();
	file.dyn[4].d_un.d_val = UINT64_MAX;
	ck_assert_ptr_nonnull(parse());
	setup();
	file.phdr[0].p_offset = sizeof(file) + 1;
	ck_assert_ptr_nonnull(parse());
	setup();
	file.phdr[0].p_vaddr = UINT64_MAX - 1;
	ck_assert_ptr_nonnull(parse());
	setup();
	file.phdr[1].p_offset = UINT64_MAX - 8;
	ck_assert_ptr_nonnull(parse());
	setup();
	file.ehdr.e_phnum = 0xffff;
	ck_assert_ptr_nonnull(parse());
	setup();
	file.note.head.n_descsz = UINT32_MAX;
	ck_assert_ptr_null(parse());
	ck_assert(!image.go);
	setup();
	file.dyn[7].d_un.d_val = UINT64_MAX;
	file.sym[1].st_name = UINT32_MAX;
	ck_assert_ptr_null(parse());
	image_imports(&image, count, NULL);
	ck_assert_uint_eq(imports, 0);
}
END_TEST

START_TEST(work_is_bounded)
{
	struct sites sites;
	int64_t budget = 350;

	ck_assert(sites_init());
	for (size_t i = 0; i < sizeof(file.text); i += 2)
		memcpy(file.text + i, "\x0f\x05", 2);
	ck_assert_ptr_null(parse());
	sites_count(&image, &budget, &sites);
	ck_assert(sites.cut);
	ck_assert_uint_eq(sites.loose, 4);
	budget = SITES_BUDGET;
	sites_count(&image, &budget, &sites);
	ck_assert(!sites.cut);
	ck_assert_uint_eq(sites.found, 0);
	ck_assert_uint_eq(sites.loose, sizeof(file.text) / 2);
}
END_TEST

START_TEST(cache)
{
	static struct {
		char old[32];
		char magic[20];
		uint32_t entries, size, zero[5];
		struct {
			int32_t flags;
			uint32_t name, path, os;
			uint64_t hwcap;
		} entry[3];
		char strings[32];
	} c = {
		.old = "ld.so-1.7.0",
		.entries = 3,
		.entry = {{0x0003, 120, 127, 0, 0},
			  {0x0303, 120, 129, 0, 1},
			  {0x0303, 120, 131, 0, 0}},
		.strings = "liba.so\0"
			   "1\0"
			   "2\0"
			   "3",
	};
	const uint32_t name = (uint32_t)((char *)c.strings - c.magic);

	memcpy(c.magic, "glibc-ld.so.cache1.1", sizeof(c.magic));
	for (int i = 0; i < 3; i++) {
		c.entry[i].name = name;
		c.entry[i].path = name + 8 + 2 * (uint32_t)i;
	}
	ck_assert_str_eq(cache_find(&c, sizeof(c), "liba.so"), "3");
	ck_assert_ptr_null(cache_find(&c, sizeof(c), "libb.so"));
	c.entry[2].flags = 0;
	ck_assert_str_eq(cache_find(&c, sizeof(c), "liba.so"), "2");
	c.entry[1].path = UINT32_MAX;
	ck_assert_ptr_null(cache_find(&c, sizeof(c), "liba.so"));
	c.entries = UINT32_MAX;
	for (size_t n = 0; n <= sizeof(c); n++)
		ck_assert_ptr_null(cache_find(&c, n, "liba.so"));
}
END_TEST

int main(void)
{
	TCase *t = unit_begin("launch_image", 10, setup);

	tcase_add_test(t, sound);
	tcase_add_test(t, addresses);
	tcase_add_test(t, hostile);
	tcase_add_test(t, work_is_bounded);
	tcase_add_test(t, cache);
	return unit_end();
}
