/* SPDX-License-Identifier: MIT */
/*
 * Reads .eh_frame. Bytes are taken from a copy, and never beyond it: a broken table ends the
 * stack, no more.
 */
#include "unwind_table.h"

#include <string.h>

#include "unwind.h"

uint64_t table_take(struct bytes *b, size_t n)
{
	uint64_t value = 0;

	if ((size_t)(b->end - b->at) < n) {
		b->bad = true;
		b->at = b->end;
		return 0;
	}
	memcpy(&value, b->at, n);
	b->at += n;
	return value;
}

uint64_t table_uleb(struct bytes *b)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = table_take(b, 1);

		value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	b->bad = true;
	return 0;
}

int64_t table_sleb(struct bytes *b)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64;) {
		uint64_t byte = table_take(b, 1);

		value |= (byte & 0x7f) << shift;
		shift += 7;
		if (byte & 0x80)
			continue;
		if (byte & 0x40 && shift < 64)
			value |= ~0UL << shift;
		return (int64_t)value;
	}
	b->bad = true;
	return 0;
}

/* DW_EH_PE_*: the formats, relative to nothing or to the place itself. */
uint64_t table_encoded(struct bytes *b, uint8_t encoding)
{
	uint64_t place = b->address + (uint64_t)(b->at - b->begin), value;

	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		value = table_take(b, 8);
		break;
	case 0x02:
		value = table_take(b, 2);
		break;
	case 0x03:
		value = table_take(b, 4);
		break;
	case 0x0a:
		value = (uint64_t)(int16_t)table_take(b, 2);
		break;
	case 0x0b:
		value = (uint64_t)(int32_t)table_take(b, 4);
		break;
	default:
		b->bad = true;
		return 0;
	}
	return (encoding & 0x70) == 0x10 ? value + place : value;
}

/* An entry of .eh_frame without its length: a copy of as much as there is room for. */
static bool read_entry(uint64_t address, uint8_t *room, struct bytes *b)
{
	uint32_t length;

	if (!unwind_read(address, &length, 4) || !length || length > FRAME_MAX ||
	    !unwind_read(address + 4, room, length))
		return false;
	*b = (struct bytes){room, room + length, address + 4, room, false};
	return true;
}

static bool read_cie(struct frame *f, uint64_t address)
{
	struct bytes *b = &f->cie;
	const char *augmentation;
	uint64_t end;

	if (!read_entry(address, f->cie_bytes, b) || table_take(b, 4))
		return false;
	table_take(b,
		   1); /* version 1 or 3: they differ in nothing that matters below 128 registers */
	augmentation = (const char *)b->at;
	while (table_take(b, 1))
		;
	f->code_align = table_uleb(b);
	f->data_align = table_sleb(b);
	table_uleb(b);
	if (b->bad || (*augmentation && *augmentation != 'z'))
		return false;
	if (!*augmentation)
		return true;
	f->augmented = true;
	end = table_uleb(b);
	if (end > (uint64_t)(b->end - b->at))
		return false;
	end += (uint64_t)(b->at - b->begin);
	while (*++augmentation && !b->bad) {
		if (*augmentation == 'R')
			f->encoding = (uint8_t)table_take(b, 1);
		else if (*augmentation == 'L')
			table_take(b, 1);
		else if (*augmentation == 'P')
			table_encoded(b, (uint8_t)table_take(b, 1));
		else if (*augmentation == 'S')
			f->signal = true;
	}
	b->at = b->begin + end;
	return !b->bad;
}

/* By the sorted table of .eh_frame_hdr, in the one form that linkers write. */
static uint64_t find_fde(uint64_t hdr, uint64_t ip)
{
	struct {
		uint8_t version, frame, count, table;
		int32_t eh_frame;
		uint32_t n;
	} head;
	int32_t entry[2];
	uint32_t low = 0, high;

	if (!unwind_read(hdr, &head, sizeof(head)) || head.version != 1 || head.count != 0x03 ||
	    head.table != 0x3b || (head.frame & 0x0f) != 0x0b)
		return 0;
	for (high = head.n; low < high;) {
		uint32_t middle = low + (high - low) / 2;

		if (!unwind_read(hdr + sizeof(head) + middle * 8UL, entry, 4))
			return 0;
		if (hdr + (uint64_t)(int64_t)entry[0] <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !unwind_read(hdr + sizeof(head) + (low - 1) * 8UL, entry, 8))
		return 0;
	return hdr + (uint64_t)(int64_t)entry[1];
}

bool table_find(struct frame *f, uint64_t hdr, uint64_t ip)
{
	uint64_t fde = find_fde(hdr, ip), place, length;
	struct bytes *b = &f->fde;

	if (!fde || !read_entry(fde, f->fde_bytes, b))
		return false;
	place = b->address;
	f->augmented = f->signal = false;
	f->encoding = 0;
	if (!read_cie(f, place - table_take(b, 4)))
		return false;
	f->begin = table_encoded(b, f->encoding);
	length = table_encoded(b, f->encoding & 0x0f);
	if (b->bad || ip < f->begin || ip - f->begin >= length)
		return false;
	if (f->augmented) {
		length = table_uleb(b);
		if (length > (uint64_t)(b->end - b->at))
			return false;
		b->at += length;
	}
	return !b->bad;
}
