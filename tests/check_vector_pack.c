/* SPDX-License-Identifier: MIT */
/* Unit tests: vector state without its zeros comes back as it was. */
/* OBJS: scheduler/vector_pack.o scheduler/mem.o */
#include <string.h>

#include "../scheduler/vector.h"
#include "unit.h"

static void round_trip(const struct vector_small *from, uint32_t size)
{
	uint64_t room[4 + VS_SIZE / 8], present[3];
	struct vector_packed *packed = (struct vector_packed *)room;
	struct vector_small back;
	unsigned words = 0, n;

	for (unsigned i = 0; i < size / 8; i++)
		words += ((const uint64_t *)from)[i] != 0;
	n = vector_measure(from, size, present);
	ck_assert_uint_eq(n, words);
	memset(room, 0xee, sizeof(room));
	memset(&back, 0xee, sizeof(back));
	vector_pack(packed, from, present);
	ck_assert_uint_eq(room[3 + n], 0xeeeeeeeeeeeeeeee);
	vector_unpack(&back, packed, size);
	ck_assert_mem_eq(&back, from, size);
	ck_assert(size == VS_SIZE || ((uint8_t *)&back)[size] == 0xee);
}

START_TEST(all_sorts)
{
	static struct vector_small v;

	round_trip(&v, VS_SIZE);
	round_trip(&v, VS_MASKS);
	memset(&v, 0xff, sizeof(v));
	round_trip(&v, VS_SIZE);
	round_trip(&v, VS_MASKS);
	for (int step = 0; step < 5000; step++) {
		uint8_t *byte = (uint8_t *)&v;

		byte[unit_random() % VS_SIZE] = (uint8_t)unit_random();
		if (step % 7 == 0)
			memset(byte + unit_random() % (VS_SIZE - 200), 0, 200);
		round_trip(&v, step % 2 ? VS_SIZE : VS_MASKS);
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("vector_pack", 20, NULL);

	tcase_add_test(tests, all_sorts);
	return unit_end();
}
