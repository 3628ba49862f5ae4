/* SPDX-License-Identifier: MIT */
/* Unit tests: linked lists, with heads that were only zeroed too. */
/* OBJS: */
#include <string.h>

#include "../scheduler/list.h"
#include "unit.h"

struct entry {
	int n;
	struct list link;
};

static struct entry entries[8];

static void fill(struct list *head, int from, int to)
{
	for (int i = from; i < to; i++) {
		entries[i].n = i;
		list_add_tail(head, &entries[i].link);
	}
}

static void check_order(struct list *head, const char *expected)
{
	char forward[16] = "", backward[16] = "";
	size_t n = 0, end = strlen(expected);

	list_for_each (l, head)
		forward[n++] = (char)('0' + container_of(l, struct entry, link)->n);
	ck_assert_str_eq(forward, expected);
	for (struct list *l = head->prev; l && l != head; l = l->prev)
		backward[--end] = (char)('0' + container_of(l, struct entry, link)->n);
	ck_assert_uint_eq(end, 0);
	ck_assert_str_eq(backward, expected);
}

START_TEST(zeroed)
{
	struct list head = {0};
	int n = 0;

	ck_assert(list_empty(&head));
	list_for_each (l, &head)
		n++;
	list_for_each_safe (l, tmp, &head)
		n += l == tmp;
	ck_assert_int_eq(n, 0);
	fill(&head, 0, 3);
	ck_assert(!list_empty(&head));
	check_order(&head, "012");
}
END_TEST

START_TEST(head_and_tail)
{
	struct list head = {0};

	for (int i = 0; i < 3; i++) {
		entries[i].n = i;
		list_add_head(&head, &entries[i].link);
	}
	fill(&head, 3, 5);
	check_order(&head, "21034");
}
END_TEST

START_TEST(delete)
{
	struct list head;

	list_init(&head);
	ck_assert(list_empty(&head));
	fill(&head, 0, 5);
	list_del(&entries[2].link);
	check_order(&head, "0134");
	ck_assert(list_empty(&entries[2].link));
	list_del(&entries[2].link); /* once more does no harm */
	list_del(&entries[0].link);
	list_del(&entries[4].link);
	check_order(&head, "13");
	list_del(&entries[1].link);
	list_del(&entries[3].link);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(delete_while_walking)
{
	struct list head;

	list_init(&head);
	fill(&head, 0, 6);
	list_for_each_safe (l, tmp, &head)
		if (container_of(l, struct entry, link)->n % 2)
			list_del(l);
	check_order(&head, "024");
	list_for_each_safe (l, tmp, &head)
		list_del(l);
	ck_assert(list_empty(&head));
}
END_TEST

START_TEST(take)
{
	struct list from = {0}, to;

	list_take(&to, &from);
	ck_assert(list_empty(&to));
	fill(&from, 0, 4);
	list_take(&to, &from);
	ck_assert(list_empty(&from));
	check_order(&to, "0123");
	fill(&from, 4, 5);
	check_order(&from, "4");
	list_del(&entries[0].link);
	list_del(&entries[3].link);
	check_order(&to, "12");
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("list", 10, NULL);

	tcase_add_test(tests, zeroed);
	tcase_add_test(tests, head_and_tail);
	tcase_add_test(tests, delete);
	tcase_add_test(tests, delete_while_walking);
	tcase_add_test(tests, take);
	return unit_end();
}
