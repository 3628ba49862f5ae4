/* SPDX-License-Identifier: MIT */
/* System calls in a file's text, and whether the side door can take them: as it will decide. */
#include "sites.h"

#include <dlfcn.h>
#include <string.h>

#include "../patch.h"

/* What a byte costs to decode, and to look at for branches, in about nanoseconds. */
#define DECODE 12
#define LOOK   1

static bool decodes;

struct scan {
	const struct image *image;
	const struct image_load *load;
	const uint8_t *text; /* of this segment */
	uint64_t base;       /* where the headers are */
	/* Sites come in ascending order: in one function the next is looked for from the last. */
	const uint8_t *begin, *at;
	int64_t *budget;
	struct sites *sites;
};

bool sites_init(void)
{
	decodes = !decode_init(LM_ID_BASE);
	return decodes;
}

static bool get(void *cookie, void *to, uint64_t at, size_t n)
{
	const void *from = image_at(cookie, at, n);

	if (from)
		memcpy(to, from, n);
	return from;
}

/* The function around `site`, as addresses in the file that we have read. */
static bool find_function(const struct scan *scan, const uint8_t *site, struct patch_function *fn)
{
	struct patch_memory memory = {get, (void *)scan->image};
	const struct image_load *load = scan->load;
	uint64_t begin, end;

	if (!patch_frames(&memory, scan->base, load->begin + (uint64_t)(site - scan->text), fn))
		return false;
	begin = (uint64_t)fn->begin - load->begin;
	end = (uint64_t)fn->end - load->begin;
	if (begin >= end || end > load->size)
		return false;
	fn->begin = scan->text + begin;
	fn->end = scan->text + end;
	fn->text_begin = scan->text;
	fn->text_end = scan->text + load->size;
	return site >= fn->begin;
}

/* Whether instructions from the function's begin lead to `site`: 1, 0, or -1 unknown. */
static int arrives(struct scan *scan, const struct patch_function *fn, const uint8_t *site)
{
	struct insn in;

	if (scan->begin != fn->begin || scan->at > site) {
		scan->begin = fn->begin;
		scan->at = fn->begin;
	}
	for (; scan->at < site; scan->at += in.length) {
		if (!decode(scan->at, fn->end, &in))
			return -1;
		*scan->budget -= in.length * DECODE;
	}
	return scan->at == site;
}

static void judge(struct scan *scan, const uint8_t *site)
{
	struct patch_function fn;
	struct patch_plan plan;

	if (!decodes || !find_function(scan, site, &fn)) {
		scan->sites->loose++;
		return;
	}
	switch (arrives(scan, &fn, site)) {
	case 0:
		return;
	case -1:
		scan->sites->loose++;
		return;
	}
	scan->sites->found++;
	*scan->budget -= 3 * (fn.end - fn.begin) * DECODE;
	*scan->budget -= (fn.text_end - fn.text_begin) * LOOK;
	if (*scan->budget > 0 && patch_plan(&fn, site, &plan))
		scan->sites->movable++;
}

void sites_count(const struct image *image, int64_t *budget, struct sites *sites)
{
	struct scan scan = {.image = image, .budget = budget, .sites = sites};

	memset(sites, 0, sizeof(*sites));
	for (unsigned i = 0; i < image->loads; i++)
		if (!image->load[i].offset)
			scan.base = image->load[i].begin;
	for (unsigned i = 0; i < image->loads; i++) {
		const uint8_t *at, *end;

		scan.load = &image->load[i];
		scan.text = image->data + scan.load->offset;
		scan.begin = NULL;
		end = scan.text + scan.load->size;
		for (at = scan.text; scan.load->text && at < end; at += 2) {
			at = memmem(at, (size_t)(end - at), "\x0f\x05", 2);
			if (!at)
				break;
			judge(&scan, at);
			*budget -= 100; /* for finding the function */
			if (*budget <= 0) {
				sites->cut = true;
				return;
			}
		}
	}
}
