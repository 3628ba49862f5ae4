/* SPDX-License-Identifier: MIT */
/*
 * The side door: a `syscall` instruction of the program's that has trapped often is led around
 * the trap, by a jump to a stub which stands for the bytes that the jump displaces.
 */
#ifndef COPATCH_PATCH_H
#define COPATCH_PATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../scheduler/switch.h"

#define PATCH_JUMP    5  /* bytes of `jmp rel32` */
#define PATCH_SLOT    64 /* bytes that a stub may have */
#define PATCH_SYSCALL 2  /* bytes of `syscall` */
/* Behind the moved bytes: lea site+2(%rip),%rcx; jmp *%gs:CA_SIDE. */
#define PATCH_EXIT (7 + 8)

/* patch_decode.c: Zydis, in libev's link namespace. */
struct insn {
	uint8_t length;
	uint8_t disp_at; /* place of its displacement from %rip, 0 when it has none */
	bool movable;    /* goes on with the next instruction, and does the same elsewhere */
	bool indirect;   /* may jump anywhere */
	bool call;
	bool general;          /* surely touches neither vector registers nor the x87 */
	const uint8_t *target; /* of a direct jump or call, else NULL */
};

/* -ELIBACC: there is no Zydis of the version that we were built for. */
int decode_init(long link_namespace) __attribute__((warn_unused_result));
/* Runs code of a library: see code_borrow in patch.c. False: no instruction, or it ends beyond. */
bool decode(const uint8_t *at, const uint8_t *end, struct insn *insn);

/* Where an instruction belongs. */
struct patch_function {
	const uint8_t *begin, *end;
	const uint8_t *text_begin, *text_end;
	uint64_t module_begin, module_end;
};

/* patch_frames.c, for a module in memory, and for one in a file. */
struct patch_memory {
	bool (*get)(void *cookie, void *to, uint64_t at, size_t n);
	void *cookie;
};

/* The function that `at` is in, and its text; the module's headers are at `base`. */
bool patch_frames(const struct patch_memory *mem, uint64_t base, uint64_t at,
		  struct patch_function *fn);

/* patch_find.c */
/* False: `at` is in no private read-only mapping of an ELF file, or in no function. */
bool patch_find_function(const uint8_t *at, struct patch_function *fn);
/* A free place of `size` bytes that the module's jumps can reach, 0 none. */
uint64_t patch_find_gap(const struct patch_function *fn, uint64_t size);

/*
 * patch_plan.c: what is displaced. Either one whole instruction that leads straight to the
 * `syscall`, which stays where it is; every other way to it still works, by the back door. Or,
 * where that has none of five bytes, the `syscall` and the instruction behind it.
 */
struct patch_plan {
	const uint8_t *from; /* here the jump goes */
	const uint8_t *site; /* the `syscall` instruction */
	uint8_t before;      /* bytes moved, from `from` to `site` */
	uint8_t after;       /* bytes moved that stand behind the site, 0: none */
	uint8_t disps;       /* displacements from %rip among them, */
	uint8_t disp_at[4];  /* counted from `from`, */
	uint8_t disp_end[4]; /* and the ends of their instructions */
	bool flags_dead;     /* see patch_vector.c */
	bool vectors_dead;   /* the flags too, then */
};

bool patch_plan(const struct patch_function *fn, const uint8_t *site, struct patch_plan *plan);
/* Writes stub and jump as they are to stand at `stub` and plan->from. False: out of reach. */
bool patch_emit(const struct patch_plan *plan, uint64_t stub, uint8_t out[PATCH_SLOT],
		uint8_t jump[PATCH_JUMP]);
/* The place in the stub behind its own `syscall`; only for plans with `after`. */
static inline uint64_t patch_behind(const struct patch_plan *plan, uint64_t stub)
{
	return stub + plan->before + PATCH_EXIT + PATCH_SYSCALL;
}

/* The address that stands for one in the stub at `stub`, as the program knows it. */
static inline uint64_t patch_original(const struct patch_plan *plan, uint64_t stub, uint64_t ip)
{
	uint64_t at = ip - stub, behind = patch_behind(plan, stub);

	if (at < plan->before)
		return (uint64_t)plan->from + at;
	if (ip < behind || !plan->after)
		return (uint64_t)plan->site;
	at = ip - behind;
	return (uint64_t)plan->site + PATCH_SYSCALL + (at < plan->after ? at : plan->after);
}

/*
 * Where stubs are. They have no description for unwinders: whoever begins a stack takes what
 * patch_original says instead of an address in one, since all else is as it is there. Nobody
 * needs more, for stubs call nothing; who looks from outside finds this array by way of the
 * carrier. A profiler that samples the three or four instructions of a stub, and a debugger that
 * does not load copatch-gdb.py, see no callers there.
 */
#define PATCH_REGION  (64UL << 10) /* bytes */
#define PATCH_REGIONS 16

struct patch_region {
	uint64_t at;             /* 0: none */
	struct patch_plan *plan; /* of each slot; `from` is NULL when it has been forgotten */
	uint64_t used;
};

/* patch_vector.c: `fatal` is libc's __libc_fatal. */
bool patch_vectors_dead(const struct patch_function *fn, const uint8_t *site, const uint8_t *fatal);
bool patch_flags_dead(const struct patch_function *fn, const uint8_t *site, const uint8_t *fatal);

/* patch.c */
struct coroutine;

/* Switches the side door on; `fatal` as above, or NULL. */
int patch_init(const void *fatal) __attribute__((warn_unused_result));
/* The current coroutine's registers are saved; its call has come in by the trap. */
void patch_trapped(struct coroutine *co);
/* Program addresses for the frames of signal handlers, and back. */
uint64_t patch_ip_shown(uint64_t ip);
uint64_t patch_ip_resumed(uint64_t ip);
/* The program has unmapped these, or mapped something else there. */
void patch_forget(uint64_t begin, uint64_t end);

/* side_x86_64.S: where stubs jump, by way of carrier.side, .side_c and .side_dead. */
extern const char side_entry[], side_entry_c[], side_entry_dead[], side_entry_foreign[];
/* Where a call was answered at the door already, but not the signal that came then: make it anew.
 */
extern const char side_answered[], side_answered_end[], side_again[];

#endif
