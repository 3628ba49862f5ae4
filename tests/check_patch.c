/* SPDX-License-Identifier: MIT */
/* Unit tests: which bytes give way to a jump, and what stands for them, byte by byte. */
/* OBJS: shim/patch_plan.o shim/patch_decode.o shim/patch_find.o shim/patch_frames.o */
/* OBJS: shim/patch_vector.o shim/usercopy_x86_64.o */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "../shim/patch.h"
#include "unit.h"

#define FUNCTION 1024   /* where it begins in the text */
#define STUB     0x1000 /* where the stub is, from there */

static uint8_t text[4096];
static struct patch_function fn;
static struct patch_plan plan;
static uint8_t *site;

static size_t put(uint8_t *to, const char *hex)
{
	size_t n = 0;
	unsigned byte;

	for (; sscanf(hex, " %2x", &byte) == 1; hex += strspn(hex, " ") + 2)
		to[n++] = (uint8_t)byte;
	return n;
}

static void setup(void)
{
	ck_assert_int_eq(decode_init(LM_ID_NEWLM), 0);
}

/* A function of these bytes, of which `before` stand in front of the `syscall`. */
static bool planned(const char *hex, size_t before)
{
	memset(text, 0xcc, sizeof(text));
	fn.begin = text + FUNCTION;
	fn.end = fn.begin + put(text + FUNCTION, hex);
	fn.text_begin = text;
	fn.text_end = text + sizeof(text);
	site = text + FUNCTION + before;
	ck_assert_msg(site[0] == 0x0f && site[1] == 0x05, "%s: no syscall there", hex);
	return patch_plan(&fn, site, &plan);
}

static void same_bytes(const uint8_t *have, const char *hex, size_t max)
{
	uint8_t want[PATCH_SLOT];
	size_t n;

	memset(want, 0xcc, sizeof(want));
	n = put(want, hex);
	ck_assert_uint_le(n, max);
	for (size_t i = 0; i < max; i++)
		ck_assert_msg(have[i] == want[i], "byte %zu: %02x, should be %02x", i, have[i],
			      want[i]);
}

/* `from` is the place of the jump in the function. */
static void emitted(size_t from, const char *jump_hex, const char *stub_hex)
{
	uint8_t stub[PATCH_SLOT], jump[PATCH_JUMP];

	ck_assert_ptr_eq(plan.from, text + FUNCTION + from);
	ck_assert(patch_emit(&plan, (uint64_t)text + FUNCTION + STUB, stub, jump));
	same_bytes(jump, jump_hex, PATCH_JUMP);
	same_bytes(stub, stub_hex, PATCH_SLOT);
}

START_TEST(number_in_front)
{
	ck_assert(planned("b8 27 00 00 00 0f 05 c3", 5));
	ck_assert_uint_eq(plan.before, 5);
	ck_assert_uint_eq(plan.after, 0);
	emitted(0, "e9 fb 0f 00 00", "b8 27 00 00 00 48 8d 0d fb ef ff ff 65 ff 24 25 28 00 00 00");
}
END_TEST

/* Futex calls of locks: xor $0x80,%sil stands between. */
START_TEST(number_further_away)
{
	ck_assert(planned("31 d2 b8 ca 00 00 00 40 80 f6 80 0f 05 48 3d 00 f0 ff ff c3", 11));
	emitted(2, "e9 f9 0f 00 00",
		"b8 ca 00 00 00 40 80 f6 80 48 8d 0d fd ef ff ff 65 ff 24 25 28 00 00 00");
}
END_TEST

/* __syscall_cancel_arch of glibc 2.41: mov %r11,8(%rsp). */
START_TEST(cancellation_window)
{
	ck_assert(planned("49 89 fb 48 89 f0 4c 89 5c 24 08 0f 05 c3", 11));
	emitted(6, "e9 f5 0f 00 00", "4c 89 5c 24 08 48 8d 0d 01 f0 ff ff 65 ff 24 25 28 00 00 00");
}
END_TEST

/* clone3 says that it ends with the call. */
START_TEST(function_ends_there)
{
	ck_assert(planned("b8 b3 01 00 00 0f 05 48 85 c0", 5));
	fn.end = site;
	ck_assert(patch_plan(&fn, site, &plan));
	emitted(0, "e9 fb 0f 00 00", "b8 b3 01 00 00 48 8d 0d fb ef ff ff 65 ff 24 25 28 00 00 00");
}
END_TEST

/* lea 0x100(%rip),%rsi means the same address in the stub. */
START_TEST(relative_operand)
{
	ck_assert(planned("b8 0e 00 00 00 48 8d 35 00 01 00 00 0f 05 c3", 12));
	emitted(5, "e9 f6 0f 00 00",
		"48 8d 35 05 f1 ff ff 48 8d 0d 00 f0 ff ff 65 ff 24 25 28 00 00 00");
}
END_TEST

/* The b8 belongs to movl $0x27,-0x48(%rsp). */
START_TEST(no_boundary)
{
	ck_assert(planned("c7 44 24 b8 27 00 00 00 0f 05 c3", 8));
	emitted(0, "e9 fb 0f 00 00",
		"c7 44 24 b8 27 00 00 00 48 8d 0d fb ef ff ff 65 ff 24 25 28 00 00 00");
}
END_TEST

/* read: xor %eax,%eax; syscall; cmp $-4096,%rax */
START_TEST(behind)
{
	ck_assert(planned("31 c0 0f 05 48 3d 00 f0 ff ff 77 01 c3 c3", 2));
	ck_assert_uint_eq(plan.before, 0);
	ck_assert_uint_eq(plan.after, 6);
	emitted(2, "e9 f9 0f 00 00",
		"48 8d 0d 0a 00 00 00 65 ff 24 25 28 00 00 00 0f 05 48 3d 00 f0 ff ff"
		"e9 ee ef ff ff");
}
END_TEST

/* cmpl $0,0x200(%rip) moved from behind; its immediate follows the displacement. */
START_TEST(behind_relative)
{
	ck_assert(planned("31 c0 0f 05 83 3d 00 02 00 00 00 c3", 2));
	ck_assert_uint_eq(plan.after, 7);
	emitted(2, "e9 f9 0f 00 00",
		"48 8d 0d 0a 00 00 00 65 ff 24 25 28 00 00 00 0f 05 83 3d f3 f1 ff ff 00"
		"e9 ee ef ff ff");
}
END_TEST

/* The other entry of ours, where nothing is to be kept. */
START_TEST(vectors_dead_stub)
{
	ck_assert(planned("b8 27 00 00 00 0f 05 c3", 5));
	ck_assert(!plan.vectors_dead);
	plan.vectors_dead = true;
	emitted(0, "e9 fb 0f 00 00", "b8 27 00 00 00 48 8d 0d fb ef ff ff 65 ff 24 25 30 00 00 00");
	ck_assert(planned("31 c0 0f 05 48 3d 00 f0 ff ff 77 01 c3 c3", 2));
	plan.vectors_dead = true;
	emitted(2, "e9 f9 0f 00 00",
		"48 8d 0d 0a 00 00 00 65 ff 24 25 30 00 00 00 0f 05 48 3d 00 f0 ff ff"
		"e9 ee ef ff ff");
}
END_TEST

START_TEST(flags_dead_stub)
{
	ck_assert(planned("b8 27 00 00 00 0f 05 c3", 5));
	plan.flags_dead = true;
	emitted(0, "e9 fb 0f 00 00", "b8 27 00 00 00 48 8d 0d fb ef ff ff 65 ff 24 25 38 00 00 00");
	plan.vectors_dead = true;
	emitted(0, "e9 fb 0f 00 00", "b8 27 00 00 00 48 8d 0d fb ef ff ff 65 ff 24 25 30 00 00 00");
}
END_TEST

/* A call of the function's last bytes. */
static bool flags_dead(const char *behind)
{
	char hex[64];

	snprintf(hex, sizeof(hex), "b8 ca 00 00 00 0f 05 %s", behind);
	ck_assert(planned(hex, 5));
	return patch_flags_dead(&fn, site, text + 64);
}

START_TEST(flags_at_the_end)
{
	ck_assert(flags_dead("c3"));
	ck_assert(flags_dead("48 3d 00 f0 ff ff c3"));
	ck_assert(flags_dead("3d 00 f0 ff ff c3"));
	ck_assert(flags_dead("48 83 f8 01 c3"));
	ck_assert(flags_dead("83 f8 01 c3"));
	ck_assert(flags_dead("48 85 c0 c3"));
	ck_assert(flags_dead("85 c0 c3"));
	/* mov, adc, jne, a shift by nothing, and what only begins like a comparison */
	ck_assert(!flags_dead("89 c7 c3"));
	ck_assert(!flags_dead("48 15 00 f0 ff ff c3"));
	ck_assert(!flags_dead("75 00 c3"));
	ck_assert(!flags_dead("d3 e0 c3"));
	ck_assert(!flags_dead("48 83 d0 01 c3"));
	/* The bytes end with the function; it is not libc's; the site is not its own. */
	ck_assert(flags_dead("48 85 c0"));
	fn.end--;
	ck_assert(!patch_flags_dead(&fn, site, text + 64));
	fn.end++;
	ck_assert(!patch_flags_dead(&fn, site, NULL));
	ck_assert(!patch_flags_dead(&fn, site, text + sizeof(text)));
	ck_assert(!patch_flags_dead(&fn, fn.end - 2, text + 64));
	fn.begin = site + 1;
	ck_assert(!patch_flags_dead(&fn, site, text + 64));
}
END_TEST

/* mov $202,%eax; syscall; test %eax,%eax; jg to the call; ret; and `more` before the call. */
static bool dead(const char *more)
{
	const uint8_t *fatal = text + 64;
	size_t n = strlen(more) / 3;
	char hex[256];

	snprintf(hex, sizeof(hex), "b8 ca 00 00 00 0f 05 85 c0 7f 01 c3 %s e8 %02x fc ff ff f3 90",
		 more, (unsigned)(64 - FUNCTION - 12 - n - 5) & 0xff);
	ck_assert(planned(hex, 5));
	return patch_vectors_dead(&fn, site, fatal);
}

START_TEST(vectors_dead)
{
	static const char *const harmless[] = {
		"",
		"f0 0f b1 37 ",             /* lock cmpxchg %esi,(%rdi) */
		"48 0f a3 d1 ",             /* bt %rdx,%rcx */
		"48 63 c8 ",                /* movslq %eax,%rcx */
		"66 0f 1f 44 00 00 ",       /* nopw 0(%rax,%rax) */
		"48 0f 44 c1 ",             /* cmove %rcx,%rax */
		"f3 0f 1e fa ",             /* endbr64 */
		"64 8b 04 25 10 00 00 00 ", /* mov %fs:16,%eax */
		"ff d0 ",                   /* call *%rax */
	};
	static const char *const touching[] = {
		"0f 28 c1 ",          /* movaps %xmm1,%xmm0 */
		"0f 11 07 ",          /* movups %xmm0,(%rdi) */
		"66 48 0f 6e c0 ",    /* movq %rax,%xmm0 */
		"f2 0f 2c c0 ",       /* cvttsd2si %xmm0,%eax */
		"0f 6f c1 ",          /* movq %mm1,%mm0 */
		"d9 c0 ",             /* fld %st(0) */
		"9b ",                /* fwait */
		"c5 f8 77 ",          /* vzeroupper */
		"c5 f8 92 c8 ",       /* kmovw %eax,%k1 */
		"62 f1 7c 48 28 c1 ", /* vmovaps %zmm1,%zmm0 */
		"0f ae 17 ",          /* ldmxcsr (%rdi) */
		"0f ae 07 ",          /* fxsave (%rdi) */
		"0f ae 27 ",          /* xsave (%rdi) */
		"da c1 ",             /* fcmovb %st(1),%st */
	};
	static const char *const leaving[] = {
		"ff e0 ",             /* jmp *%rax */
		"e9 00 01 00 00 ",    /* jmp, a function behind this one */
		"0f 84 00 01 00 00 ", /* je, the same */
		"74 80 ",             /* je, in front of it */
		"06 ",                /* no instruction */
	};

	for (unsigned i = 0; i < sizeof(harmless) / sizeof(*harmless); i++)
		ck_assert_msg(dead(harmless[i]), "%s", harmless[i]);
	for (unsigned i = 0; i < sizeof(touching) / sizeof(*touching); i++)
		ck_assert_msg(!dead(touching[i]), "%s", touching[i]);
	for (unsigned i = 0; i < sizeof(leaving) / sizeof(*leaving); i++)
		ck_assert_msg(!dead(leaving[i]), "%s", leaving[i]);
}
END_TEST

START_TEST(vectors_alive)
{
	ck_assert(dead(""));
	/* The call is another one's; it is in another object; there is no such function. */
	ck_assert(!patch_vectors_dead(&fn, site, text + 65));
	ck_assert(!patch_vectors_dead(&fn, site, NULL));
	fn.text_begin = text + 128;
	ck_assert(!patch_vectors_dead(&fn, site, text + 64));
	fn.text_begin = text;
	/* The site is not in the function, as in front of clone3's end. */
	ck_assert(!patch_vectors_dead(&fn, fn.end, text + 64));
	ck_assert(!patch_vectors_dead(&fn, fn.begin - 1, text + 64));
	/* A jump there is no call: what the function has, that one would have. */
	ck_assert(planned("b8 ca 00 00 00 0f 05 e9 34 fc ff ff", 5));
	ck_assert(!patch_vectors_dead(&fn, site, text + 64));
}
END_TEST

/* Of this machine's libc: the wait of its own locks, and one that is not proven. */
START_TEST(vectors_of_libc)
{
	const uint8_t *fatal = dlsym(RTLD_DEFAULT, "__libc_fatal");
	const uint8_t *wait = dlsym(RTLD_DEFAULT, "__lll_lock_wait_private");
	const uint8_t *getppid_at = dlsym(RTLD_DEFAULT, "getppid");
	struct patch_function found;

	ck_assert(fatal);
	ck_assert(wait && patch_find_function(wait + 1, &found));
	ck_assert(patch_vectors_dead(&found, wait + 1, fatal));
	ck_assert(patch_find_function(getppid_at + 1, &found));
	ck_assert(!patch_vectors_dead(&found, getppid_at + 1, fatal));
}
END_TEST

/* Bytes that would lead to the instruction behind the call, wherever they stand. */
START_TEST(branches)
{
	static const char *const read = "31 c0 0f 05 48 3d 00 f0 ff ff 77 01 c3 c3";
	uint8_t *to = text + FUNCTION + 4;
	static const uint8_t short_ones[] = {0xeb, 0x70, 0x74, 0x7f, 0xe0, 0xe3};
	int32_t rel;

	for (unsigned i = 0; i < sizeof(short_ones); i++) {
		for (int at = -130; at <= 125; at++) {
			if (at >= -6 && at < 10)
				continue;
			ck_assert(planned(read, 2));
			to[at] = short_ones[i];
			to[at + 1] = (uint8_t) - (at + 2);
			ck_assert_msg(!patch_plan(&fn, site, &plan) || at + 2 > 128 ||
					      at + 2 < -127,
				      "short branch %02x at %d", short_ones[i], at);
		}
	}
	for (int at = -FUNCTION - 4; at < (int)sizeof(text) - FUNCTION - 8; at += 7) {
		if (at >= -8 && at < 10)
			continue;
		ck_assert(planned(read, 2));
		rel = -(at + 4);
		memcpy(to + at, &rel, 4);
		ck_assert_msg(!patch_plan(&fn, site, &plan), "branch at %d", at);
	}
	/* One beside it does no harm. */
	ck_assert(planned(read, 2));
	rel = -204 - 2;
	memcpy(to + 200, &rel, 4);
	ck_assert(patch_plan(&fn, site, &plan));
}
END_TEST

START_TEST(refused)
{
	/* jmp *%rax in the function */
	ck_assert(!planned("31 c0 0f 05 48 3d 00 f0 ff ff c3 ff e0", 2));
	/* ret behind; two bytes only; a branch; another call */
	ck_assert(!planned("31 c0 0f 05 c3 90 90 90", 2));
	ck_assert(!planned("31 c0 0f 05 89 c2 48 3d 00 f0 ff ff c3", 2));
	ck_assert(!planned("31 c0 0f 05 0f 84 00 00 00 00 c3", 2));
	ck_assert(!planned("31 c0 0f 05 e8 00 00 00 00 c3", 2));
	/* between number and call: a call, a branch, another system call */
	ck_assert(!planned("b8 27 00 00 00 e8 00 00 00 00 0f 05 c3", 10));
	ck_assert(!planned("b8 27 00 00 00 74 00 0f 05 c3", 7));
	ck_assert(!planned("b8 27 00 00 00 0f 05 0f 05 c3", 7));
	/* no instruction */
	ck_assert(!planned("06 b8 27 00 00 00 0f 05 c3", 6));
	/* The call is inside another instruction: mov $0x050f9090,%eax. */
	ck_assert(!planned("b8 90 90 0f 05 c3 90 90", 3));
}
END_TEST

START_TEST(out_of_reach)
{
	uint8_t stub[PATCH_SLOT], jump[PATCH_JUMP];
	uint64_t at = (uint64_t)text + FUNCTION;

	ck_assert(planned("b8 27 00 00 00 0f 05 c3", 5));
	ck_assert(patch_emit(&plan, at + 0x7fffff00, stub, jump));
	ck_assert(patch_emit(&plan, at - 0x7fffff00, stub, jump));
	ck_assert(!patch_emit(&plan, at + 0x80000100, stub, jump));
	ck_assert(!patch_emit(&plan, at - 0x80000100, stub, jump));
}
END_TEST

/* Every place in a stub stands for one of the program's. */
START_TEST(shown)
{
	uint64_t stub = (uint64_t)text + FUNCTION + STUB;

	ck_assert(planned("31 d2 b8 ca 00 00 00 40 80 f6 80 0f 05 c3", 11));
	ck_assert_uint_eq(patch_original(&plan, stub, stub), (uint64_t)plan.from);
	ck_assert_uint_eq(patch_original(&plan, stub, stub + 5), (uint64_t)plan.from + 5);
	for (uint64_t at = stub + 9; at < stub + PATCH_SLOT; at++)
		ck_assert_uint_eq(patch_original(&plan, stub, at), (uint64_t)site);
	ck_assert(planned("31 c0 0f 05 48 3d 00 f0 ff ff c3", 2));
	for (uint64_t at = stub; at < patch_behind(&plan, stub); at++)
		ck_assert_uint_eq(patch_original(&plan, stub, at), (uint64_t)site);
	ck_assert_uint_eq(patch_behind(&plan, stub), stub + 17);
	ck_assert_uint_eq(patch_original(&plan, stub, stub + 17), (uint64_t)site + 2);
	for (uint64_t at = stub + 23; at < stub + 28; at++)
		ck_assert_uint_eq(patch_original(&plan, stub, at), (uint64_t)site + 8);
}
END_TEST

/* The table of this program and of libc, against what the linker says. */
START_TEST(functions)
{
	struct patch_function found;
	uint64_t gap;

	ck_assert(patch_find_function((const uint8_t *)planned + 1, &found));
	ck_assert_ptr_eq(found.begin, planned);
	ck_assert(found.end > found.begin && found.end < found.text_end);
	ck_assert(patch_find_function((const uint8_t *)dlsym(RTLD_DEFAULT, "getppid") + 1, &found));
	ck_assert_ptr_eq(found.begin, dlsym(RTLD_DEFAULT, "getppid"));
	ck_assert(found.module_begin < (uint64_t)found.begin);
	ck_assert(found.module_end >= (uint64_t)found.text_end);
	ck_assert(found.module_end - found.module_begin < 8UL << 20);
	gap = patch_find_gap(&found, 65536);
	ck_assert(gap && gap % 4096 == 0);
	ck_assert(found.module_end - gap < 1UL << 31 || gap - found.module_begin < 1UL << 31);
	/* Not of a file; not text. */
	ck_assert(!patch_find_function(text, &found));
	ck_assert(!patch_find_function((const uint8_t *)&gap, &found));
	ck_assert(!patch_find_function((const uint8_t *)"text", &found));
	ck_assert(!patch_find_function(NULL, &found));
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("patch", 10, setup);

	tcase_add_test(tests, number_in_front);
	tcase_add_test(tests, number_further_away);
	tcase_add_test(tests, cancellation_window);
	tcase_add_test(tests, function_ends_there);
	tcase_add_test(tests, relative_operand);
	tcase_add_test(tests, no_boundary);
	tcase_add_test(tests, behind);
	tcase_add_test(tests, behind_relative);
	tcase_add_test(tests, vectors_dead_stub);
	tcase_add_test(tests, flags_dead_stub);
	tcase_add_test(tests, flags_at_the_end);
	tcase_add_test(tests, vectors_dead);
	tcase_add_test(tests, vectors_alive);
	tcase_add_test(tests, vectors_of_libc);
	tcase_add_test(tests, branches);
	tcase_add_test(tests, refused);
	tcase_add_test(tests, out_of_reach);
	tcase_add_test(tests, shown);
	tcase_add_test(tests, functions);
	return unit_end();
}
