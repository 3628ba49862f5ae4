/* SPDX-License-Identifier: MIT */
/* Instructions, as far as moving them asks for it; Zydis knows the rest. */
#include <Zydis/Zydis.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "patch.h"

#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)

static struct {
	__typeof__(ZydisDecoderInit) *init;
	__typeof__(ZydisDecoderDecodeInstruction) *decode;
} zydis;

static ZydisDecoder decoder;

int decode_init(long link_namespace)
{
	/* Its structures are not the same in every version. */
	char name[] = "libZydis.so.M.N";
	void *lib, *sym;

	name[sizeof(name) - 4] = '0' + ZYDIS_VERSION_MAJOR(ZYDIS_VERSION);
	name[sizeof(name) - 2] = '0' + ZYDIS_VERSION_MINOR(ZYDIS_VERSION);
	lib = dlmopen(link_namespace, name, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return -ELIBACC;
	sym = dlsym(lib, "ZydisDecoderInit");
	memcpy(&zydis.init, &sym, sizeof(sym));
	sym = dlsym(lib, "ZydisDecoderDecodeInstruction");
	memcpy(&zydis.decode, &sym, sizeof(sym));
	if (!zydis.init || !zydis.decode)
		return -ELIBACC;
	zydis.init(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return 0;
}

static bool goes_straight_on(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_COND_BR:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
		return false;
	default:
		return in->meta.branch_type == ZYDIS_BRANCH_TYPE_NONE;
	}
}

/* Those in which nothing but general registers and flags can occur. */
static bool is_general(const ZydisDecodedInstruction *in)
{
	switch (in->meta.isa_set) {
	case ZYDIS_ISA_SET_I86:
	case ZYDIS_ISA_SET_I186:
	case ZYDIS_ISA_SET_I386:
	case ZYDIS_ISA_SET_I486REAL:
	case ZYDIS_ISA_SET_PENTIUMREAL:
	case ZYDIS_ISA_SET_LONGMODE:
	case ZYDIS_ISA_SET_CMOV:
	case ZYDIS_ISA_SET_FAT_NOP:
	case ZYDIS_ISA_SET_PAUSE:
	case ZYDIS_ISA_SET_CET:
		return true;
	default:
		return false;
	}
}

bool decode(const uint8_t *at, const uint8_t *end, struct insn *insn)
{
	ZydisDecodedInstruction in;
	bool relative;

	if (!ZYAN_SUCCESS(zydis.decode(&decoder, NULL, at, (size_t)(end - at), &in)))
		return false;
	insn->length = in.length;
	insn->movable = goes_straight_on(&in);
	insn->indirect = in.meta.category == ZYDIS_CATEGORY_UNCOND_BR &&
			 !(in.attributes & ZYDIS_ATTRIB_IS_RELATIVE);
	insn->call = in.meta.category == ZYDIS_CATEGORY_CALL;
	insn->general = is_general(&in);
	insn->target = in.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE && in.raw.imm[0].is_relative
			       ? at + in.length + in.raw.imm[0].value.s
			       : NULL;
	insn->disp_at = 0;
	relative = in.attributes & ZYDIS_ATTRIB_IS_RELATIVE;
	if (relative && in.raw.disp.size == 32 && in.address_width == 64)
		insn->disp_at = in.raw.disp.offset;
	else if (relative)
		insn->movable = false;
	return true;
}
