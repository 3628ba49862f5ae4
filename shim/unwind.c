/* SPDX-License-Identifier: MIT */
/* Unwinding by .eh_frame: the subset of DWARF that compilers for x86-64 and glibc use. */
#include "unwind.h"

#include "unwind_table.h"

#define DEPTH 8 /* of the stack of expressions */

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
		uint8_t op = (uint8_t)table_take(&b, 1);

		if (n >= DEPTH)
			return false;
		if (op >= 0x70 && op < 0x70 + UNWIND_REGS) { /* breg */
			stack[n++] = u->reg[op - 0x70] + (uint64_t)table_sleb(&b);
			continue;
		}
		if (op >= 0x30 && op < 0x50) { /* lit */
			stack[n++] = op - 0x30;
			continue;
		}
		if (op == 0x08 || op == 0x0a || op == 0x0c) { /* const1u, 2u, 4u */
			stack[n++] = table_take(&b, 1UL << (op - 0x08) / 2);
			continue;
		}
		if (op == 0x06 || op == 0x23) { /* deref, plus_uconst */
			if (!n)
				return false;
			if (op == 0x23)
				stack[n - 1] += table_uleb(&b);
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
	uint64_t length = table_uleb(b);

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
		uint8_t op = (uint8_t)table_take(&b, 1), low = op & 0x3f;

		switch (op & 0xc0) {
		case 0x40:
			at += low * f->code_align;
			continue;
		case 0x80:
			set(row, low,
			    (struct rule){.kind = RULE_OFFSET,
					  .n = (int64_t)table_uleb(&b) * f->data_align});
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
			at = table_encoded(&b, f->encoding);
			break;
		case 0x02: /* advance_loc1, 2, 4 */
		case 0x03:
		case 0x04:
			at += table_take(&b, 1UL << (op - 2)) * f->code_align;
			break;
		case 0x05: /* offset_extended */
			reg = table_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_OFFSET,
					  .n = (int64_t)table_uleb(&b) * f->data_align});
			break;
		case 0x11: /* offset_extended_sf */
			reg = table_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_OFFSET,
					  .n = table_sleb(&b) * f->data_align});
			break;
		case 0x06: /* restore_extended */
			reg = table_uleb(&b);
			if (first && reg < UNWIND_REGS)
				row->reg[reg] = first->reg[reg];
			break;
		case 0x07: /* undefined */
			set(row, table_uleb(&b), (struct rule){.kind = RULE_UNDEFINED});
			break;
		case 0x08: /* same_value */
			set(row, table_uleb(&b), (struct rule){.kind = RULE_SAME});
			break;
		case 0x09: /* register */
			reg = table_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_REGISTER, .n = (int64_t)table_uleb(&b)});
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
			row->cfa_reg = table_uleb(&b);
			row->cfa =
				(struct rule){.kind = RULE_REGISTER, .n = (int64_t)table_uleb(&b)};
			break;
		case 0x0d: /* def_cfa_register */
			row->cfa_reg = table_uleb(&b);
			break;
		case 0x0e: /* def_cfa_offset */
			row->cfa.n = (int64_t)table_uleb(&b);
			break;
		case 0x0f: /* def_cfa_expression */
			row->cfa = take_expression(&b, RULE_OFFSET);
			break;
		case 0x10: /* expression, val_expression */
		case 0x16:
			reg = table_uleb(&b);
			set(row, reg, take_expression(&b, op == 0x16 ? RULE_VALUE : RULE_OFFSET));
			break;
		case 0x14: /* val_offset */
			reg = table_uleb(&b);
			set(row, reg,
			    (struct rule){.kind = RULE_VALUE,
					  .n = (int64_t)table_uleb(&b) * f->data_align});
			break;
		case 0x2e: /* GNU_args_size */
			table_uleb(&b);
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

	if (!unwind_object(ip, &o) || !o.hdr || !table_find(&f, o.hdr, ip) ||
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
