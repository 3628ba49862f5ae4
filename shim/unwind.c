/* SPDX-License-Identifier: MIT */
/*
 * Unwinding by .eh_frame: the subset of DWARF that compilers for x86-64 and glibc use. Bytes are
 * read from a copy, and never beyond it: a broken table ends the stack, no more.
 */
#include "unwind.h"

#include <string.h>

#include "../scheduler/raw.h"

#define FRAME_MAX 1024 /* of a CIE or FDE; glibc's longest have a few hundred bytes */
#define DEPTH     8    /* of DW_CFA_remember_state, and of expressions */

struct bytes {
	const uint8_t *at, *end;
	uint64_t address; /* of `begin` in memory, */
	const uint8_t *begin;
	bool bad;
};

enum rule_kind {
	RULE_SAME,
	RULE_UNDEFINED,
	RULE_OFFSET,
	RULE_VALUE,
	RULE_REGISTER,
	RULE_EXPRESSION
};

struct rule {
	uint8_t kind;
	uint16_t length; /* of an expression */
	int64_t n;
	const uint8_t *expression;
};

struct row {
	struct rule cfa; /* RULE_REGISTER: cfa_reg + n, or RULE_EXPRESSION */
	uint64_t cfa_reg;
	struct rule reg[UNWIND_REGS];
};

struct frame {
	uint8_t cie_bytes[FRAME_MAX], fde_bytes[FRAME_MAX];
	struct bytes cie, fde; /* at their instructions */
	uint64_t code_align, begin;
	int64_t data_align;
	uint8_t encoding;
	bool augmented, signal;
};

static uint64_t take(struct bytes *b, size_t n)
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

static uint64_t take_uleb(struct bytes *b)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = take(b, 1);

		value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	b->bad = true;
	return 0;
}

static int64_t take_sleb(struct bytes *b)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64;) {
		uint64_t byte = take(b, 1);

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
static uint64_t take_encoded(struct bytes *b, uint8_t encoding)
{
	uint64_t place = b->address + (uint64_t)(b->at - b->begin), value;

	switch (encoding & 0x0f) {
	case 0x00:
	case 0x04:
	case 0x0c:
		value = take(b, 8);
		break;
	case 0x02:
		value = take(b, 2);
		break;
	case 0x03:
		value = take(b, 4);
		break;
	case 0x0a:
		value = (uint64_t)(int16_t)take(b, 2);
		break;
	case 0x0b:
		value = (uint64_t)(int32_t)take(b, 4);
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

	if (!read_entry(address, f->cie_bytes, b) || take(b, 4))
		return false;
	take(b, 1); /* version 1 or 3: they differ in nothing that matters below 128 registers */
	augmentation = (const char *)b->at;
	while (take(b, 1))
		;
	f->code_align = take_uleb(b);
	f->data_align = take_sleb(b);
	take_uleb(b);
	if (b->bad || (*augmentation && *augmentation != 'z'))
		return false;
	if (!*augmentation)
		return true;
	f->augmented = true;
	end = take_uleb(b);
	if (end > (uint64_t)(b->end - b->at))
		return false;
	end += (uint64_t)(b->at - b->begin);
	while (*++augmentation && !b->bad) {
		if (*augmentation == 'R')
			f->encoding = (uint8_t)take(b, 1);
		else if (*augmentation == 'L')
			take(b, 1);
		else if (*augmentation == 'P')
			take_encoded(b, (uint8_t)take(b, 1));
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

static bool find_frame(struct frame *f, uint64_t hdr, uint64_t ip)
{
	uint64_t fde = find_fde(hdr, ip), place, length;
	struct bytes *b = &f->fde;

	if (!fde || !read_entry(fde, f->fde_bytes, b))
		return false;
	place = b->address;
	f->augmented = f->signal = false;
	f->encoding = 0;
	if (!read_cie(f, place - take(b, 4)))
		return false;
	f->begin = take_encoded(b, f->encoding);
	length = take_encoded(b, f->encoding & 0x0f);
	if (b->bad || ip < f->begin || ip - f->begin >= length)
		return false;
	if (f->augmented) {
		length = take_uleb(b);
		if (length > (uint64_t)(b->end - b->at))
			return false;
		b->at += length;
	}
	return !b->bad;
}

/* What tables of procedure links and signal frames have: DW_OP_*. */
static bool evaluate(const struct unwind *u, const struct rule *rule, uint64_t first, bool push,
		     uint64_t *result)
{
	struct bytes b = {rule->expression, rule->expression + rule->length, 0, rule->expression,
			  false};
	uint64_t stack[DEPTH + 1], x;
	unsigned n = 0;

	if (push)
		stack[n++] = first;
	while (b.at < b.end && !b.bad) {
		uint8_t op = (uint8_t)take(&b, 1);

		if (n >= DEPTH)
			return false;
		if (op >= 0x70 && op < 0x70 + UNWIND_REGS) { /* breg */
			stack[n++] = u->reg[op - 0x70] + (uint64_t)take_sleb(&b);
			continue;
		}
		if (op >= 0x30 && op < 0x50) { /* lit */
			stack[n++] = op - 0x30;
			continue;
		}
		if (op == 0x08 || op == 0x0a || op == 0x0c) { /* const1u, 2u, 4u */
			stack[n++] = take(&b, 1UL << (op - 0x08) / 2);
			continue;
		}
		if (op == 0x06 || op == 0x23) { /* deref, plus_uconst */
			if (!n)
				return false;
			if (op == 0x23)
				stack[n - 1] += take_uleb(&b);
			else if (!unwind_read(stack[n - 1], &stack[n - 1], 8))
				return false;
			continue;
		}
		if (n < 2)
			return false;
		x = stack[--n];
		switch (op) {
		case 0x1a: /* and */
			stack[n - 1] &= x;
			break;
		case 0x1c: /* minus */
			stack[n - 1] -= x;
			break;
		case 0x22: /* plus */
			stack[n - 1] += x;
			break;
		case 0x24: /* shl */
			stack[n - 1] <<= x & 63;
			break;
		case 0x2a: /* ge */
			stack[n - 1] = (int64_t)stack[n - 1] >= (int64_t)x;
			break;
		default:
			return false;
		}
	}
	if (b.bad || !n)
		return false;
	*result = stack[n - 1];
	return true;
}

static struct rule take_expression(struct bytes *b, uint8_t kind)
{
	struct rule rule = {.kind = RULE_EXPRESSION, .n = kind == RULE_VALUE};
	uint64_t length = take_uleb(b);

	rule.expression = b->at;
	if (length > (uint64_t)(b->end - b->at))
		b->bad = true;
	else
		b->at += length;
	rule.length = (uint16_t)length;
	return rule;
}

static void set(struct row *row, uint64_t reg, struct rule rule)
{
	if (reg < UNWIND_REGS)
		row->reg[reg] = rule;
}

/* DW_CFA_*, up to where the code address passes `ip`. */
static bool run(const struct frame *f, struct bytes b, uint64_t ip, struct row *row,
		const struct row *first)
{
	struct row saved[2];
	unsigned depth = 0;
	uint64_t at = f->begin, reg;

	while (b.at < b.end && !b.bad && at <= ip) {
		uint8_t op = (uint8_t)take(&b, 1), low = op & 0x3f;

		switch (op & 0xc0) {
		case 0x40:
			at += low * f->code_align;
			continue;
		case 0x80:
			set(row, low,
			    (struct rule){.kind = RULE_OFFSET,
					  .n = (int64_t)take_uleb(&b) * f->data_align});
			continue;
		case 0xc0:
			if (first && low < UNWIND_REGS)
				row->reg[low] = first->reg[low];
			continue;
		}
		switch (op) {
		case 0x00: /* nop */
			break;
		case 0x01: /* set_loc */
			at = take_encoded(&b, f->encoding);
			break;
		case 0x02: /* advance_loc1, 2, 4 */
		case 0x03:
		case 0x04:
			at += take(&b, 1UL << (op - 2)) * f->code_align;
			break;
		case 0x05: /* offset_extended */
			reg = take_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_OFFSET,
					  .n = (int64_t)take_uleb(&b) * f->data_align});
			break;
		case 0x11: /* offset_extended_sf */
			reg = take_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_OFFSET, .n = take_sleb(&b) * f->data_align});
			break;
		case 0x06: /* restore_extended */
			reg = take_uleb(&b);
			if (first && reg < UNWIND_REGS)
				row->reg[reg] = first->reg[reg];
			break;
		case 0x07: /* undefined */
			set(row, take_uleb(&b), (struct rule){.kind = RULE_UNDEFINED});
			break;
		case 0x08: /* same_value */
			set(row, take_uleb(&b), (struct rule){.kind = RULE_SAME});
			break;
		case 0x09: /* register */
			reg = take_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_REGISTER, .n = (int64_t)take_uleb(&b)});
			break;
		case 0x0a: /* remember_state */
			if (depth == 2)
				return false;
			saved[depth++] = *row;
			break;
		case 0x0b: /* restore_state */
			if (!depth)
				return false;
			*row = saved[--depth];
			break;
		case 0x0c: /* def_cfa */
			row->cfa_reg = take_uleb(&b);
			row->cfa =
				(struct rule){.kind = RULE_REGISTER, .n = (int64_t)take_uleb(&b)};
			break;
		case 0x0d: /* def_cfa_register */
			row->cfa_reg = take_uleb(&b);
			break;
		case 0x0e: /* def_cfa_offset */
			row->cfa.n = (int64_t)take_uleb(&b);
			break;
		case 0x0f: /* def_cfa_expression */
			row->cfa = take_expression(&b, RULE_OFFSET);
			break;
		case 0x10: /* expression, val_expression */
		case 0x16:
			reg = take_uleb(&b);
			set(row, reg, take_expression(&b, op == 0x16 ? RULE_VALUE : RULE_OFFSET));
			break;
		case 0x14: /* val_offset */
			reg = take_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_VALUE,
					  .n = (int64_t)take_uleb(&b) * f->data_align});
			break;
		case 0x2e: /* GNU_args_size */
			take_uleb(&b);
			break;
		default:
			return false;
		}
	}
	return !b.bad;
}

static bool restore(const struct unwind *u, const struct rule *rule, uint64_t cfa, uint64_t *value)
{
	switch (rule->kind) {
	case RULE_OFFSET:
		return unwind_read(cfa + (uint64_t)rule->n, value, 8);
	case RULE_VALUE:
		*value = cfa + (uint64_t)rule->n;
		return true;
	case RULE_REGISTER:
		if (rule->n < 0 || rule->n >= UNWIND_REGS)
			return false;
		*value = u->reg[rule->n];
		return true;
	case RULE_EXPRESSION:
		return evaluate(u, rule, cfa, true, value) &&
		       (rule->n || unwind_read(*value, value, 8));
	default:
		return true;
	}
}

bool unwind_step(struct unwind *u)
{
	struct unwind_object o;
	struct unwind next = *u;
	struct frame f;
	struct row row = {.cfa = {.kind = RULE_UNDEFINED}}, first;
	uint64_t ip = u->reg[UNWIND_IP] - !u->exact, cfa;

	if (!unwind_object(ip, &o) || !o.hdr || !find_frame(&f, o.hdr, ip) ||
	    !run(&f, f.cie, ~0UL, &row, NULL))
		return false;
	first = row;
	if (!run(&f, f.fde, ip, &row, &first))
		return false;
	if (row.cfa.kind == RULE_EXPRESSION) {
		if (!evaluate(u, &row.cfa, 0, false, &cfa))
			return false;
	} else if (row.cfa.kind == RULE_REGISTER && row.cfa_reg < UNWIND_REGS) {
		cfa = u->reg[row.cfa_reg] + (uint64_t)row.cfa.n;
	} else {
		return false;
	}
	next.reg[UNWIND_SP] = cfa;
	for (int i = 0; i < UNWIND_REGS; i++)
		if (!restore(u, &row.reg[i], cfa, &next.reg[i]))
			return false;
	if (row.reg[UNWIND_IP].kind == RULE_UNDEFINED || row.reg[UNWIND_IP].kind == RULE_SAME ||
	    !next.reg[UNWIND_IP])
		return false;
	next.exact = f.signal;
	*u = next;
	return true;
}
