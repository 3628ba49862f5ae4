/* SPDX-License-Identifier: MIT */
/*
 * Which function a caller has called, by the instruction that it called with: what lies above may
 * be a function without a name that the called one has jumped into, as sem_wait does.
 */
#include <string.h>

#include "eyes.h"

#define CALL_NEAR 0xe8   /* call rel32 */
#define CALL_GOT  0x15ff /* call *rel32(%rip) */
#define JUMP_GOT  0x25ff /* jmp *rel32(%rip) */
#define BND       0xf2   /* before a jump in some procedure linkage tables */
#define ENDBR     "\xf3\x0f\x1e\xfa"

static bool is_code(const struct eyes_process *p, uint64_t at)
{
	const struct eyes_map *m = eyes_map_of(p, at);

	return m && m->executable;
}

static uint64_t relative(uint64_t end, const unsigned char *rel)
{
	int32_t distance;

	memcpy(&distance, rel, sizeof(distance));
	return end + (uint64_t)(int64_t)distance;
}

static uint64_t load(struct eyes_process *p, uint64_t at)
{
	uint64_t value;

	return p->read(p, at, &value, sizeof(value)) ? value : 0;
}

static bool is_opcode(const unsigned char *code, uint16_t opcode)
{
	return !memcmp(code, &opcode, sizeof(opcode));
}

/* A call of another library's function goes by a jump whose target ld.so has filled in. */
static uint64_t behind_plt(struct eyes_process *p, uint64_t at)
{
	unsigned char code[16];
	size_t i = 0;

	if (!p->read(p, at, code, sizeof(code)))
		return at;
	if (!memcmp(code, ENDBR, 4))
		i += 4;
	if (code[i] == BND)
		i++;
	return is_opcode(code + i, JUMP_GOT) ? load(p, relative(at + i + 6, code + i + 2)) : at;
}

uint64_t callsite_target(struct eyes_process *p, uint64_t back)
{
	unsigned char code[6];
	uint64_t to = 0;

	if (!is_code(p, back - 1) || !p->read(p, back - sizeof(code), code, sizeof(code)))
		return 0;
	if (code[1] == CALL_NEAR)
		to = behind_plt(p, relative(back, code + 2));
	else if (is_opcode(code, CALL_GOT))
		to = load(p, relative(back, code + 2));
	return is_code(p, to) ? to : 0;
}
