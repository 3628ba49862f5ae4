/* SPDX-License-Identifier: MIT */
/* A program or library file, laid out as the loader would. Trusts nothing that it reads. */
#ifndef COPATCH_LAUNCH_IMAGE_H
#define COPATCH_LAUNCH_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_LOADS  64  /* more segments than that, and the file is not looked at */
#define IMAGE_NEEDED 512 /* the same for libraries */

/* A segment: so much of it as the file holds. */
struct image_load {
	uint64_t begin, size, offset;
	bool text;
};

struct image {
	const uint8_t *data;
	uint64_t size;
	struct image_load load[IMAGE_LOADS];
	unsigned loads;
	const char *strings; /* of the dynamic section */
	uint64_t strings_size;
	const char *soname, *rpath, *runpath; /* NULL: none */
	const char *needed[IMAGE_NEEDED];
	unsigned needs;
	bool no_default; /* linked with -z nodefaultlib */
	bool go;         /* carries Go's build id */
	uint64_t symbols;
	struct image_relocations {
		uint64_t at, size;
	} relocations[2];
};

/* An ELF file of ours, as elf_inspect() has found. NULL, or a phrase: what is wrong with it. */
const char *image_parse(struct image *image, const void *data, uint64_t size)
	__attribute__((warn_unused_result));

/* The `size` bytes that the loader would put at this address, NULL when the file has them not. */
const void *image_at(const struct image *image, uint64_t address, uint64_t size);

/* Calls `each` for the name of every function or variable wanted from elsewhere; a name may come
 * more than once. */
void image_imports(const struct image *image, void (*each)(void *cookie, const char *name),
		   void *cookie);

/* Reads a whole regular file. 0, or -errno; then the memory is the caller's to free. */
int image_read(const char *path, void **data, uint64_t *size) __attribute__((warn_unused_result));
#endif
