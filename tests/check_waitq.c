/* SPDX-License-Identifier: MIT */
/* Unit tests: wait queues by key. */
/* OBJS: SCHEDULER */
#include <signal.h>

#include "tasks.h"

#define ALL ~0U

static struct coroutine *waiter(uint64_t key, uint32_t bits)
{
	struct coroutine *co = co_new();

	ck_assert_ptr_nonnull(co);
	co->again = hook_again;
	wait_queue(co, key, bits);
	return co;
}

/* Another key that lands in the same bucket, whatever the function that spreads them. */
static uint64_t neighbour(uint64_t key)
{
	struct coroutine *co = waiter(key, ALL);

	for (uint64_t other = key + 4;; other += 4) {
		struct coroutine *second = waiter(other, ALL);
		bool same = co->queue_link.next == &second->queue_link;

		co_free(second);
		if (same) {
			co_free(co);
			return other;
		}
	}
}

static void check_woken(struct coroutine *const *expected, unsigned n)
{
	unsigned i = 0;

	list_for_each (l, &this_carrier()->runq) {
		struct coroutine *co = container_of(l, struct coroutine, run);

		ck_assert_uint_lt(i, n);
		ck_assert_msg(co == expected[i], "place %u of the run queue", i);
		ck_assert_uint_eq(co->woke, WAKE_EVENT);
		ck_assert_uint_eq(co->queue_key, 0);
		i++;
	}
	ck_assert_uint_eq(i, n);
}

START_TEST(first_come)
{
	struct coroutine *co[10], *other = waiter(2000, ALL);

	for (int i = 0; i < 10; i++)
		co[i] = waiter(1000, ALL);
	ck_assert_ptr_eq(waitq_first(1000), co[0]);
	ck_assert_uint_eq(waitq_wake(1000, 0, ALL), 0);
	ck_assert_uint_eq(waitq_wake(1000, 1, ALL), 1);
	check_woken(co, 1);
	ck_assert_uint_eq(waitq_wake(1000, 3, ALL), 3);
	check_woken(co, 4);
	ck_assert_ptr_eq(waitq_first(1000), co[4]);
	ck_assert_uint_eq(waitq_wake(1000, INT32_MAX, ALL), 6);
	check_woken(co, 10);
	ck_assert_uint_eq(waitq_wake(1000, 1, ALL), 0);
	ck_assert_ptr_null(waitq_first(1000));
	ck_assert_ptr_eq(waitq_first(2000), other);
	ck_assert_ptr_null(waitq_first(4));
}
END_TEST

/* Also when they are moved to another queue. */
START_TEST(priorities)
{
	static const uint8_t priority[] = {0, 5, 9, 5, 0, 1};
	static const int order[] = {2, 1, 3, 5, 0, 4};
	struct coroutine *co[6];

	for (int i = 0; i < 6; i++) {
		co[i] = waiter(1000, ALL);
		waitq_cancel(co[i]);
		co[i]->priority = priority[i];
		wait_queue(co[i], 1000, ALL);
	}
	if (_i) {
		waitq_cancel(co[5]);
		wait_queue(co[5], 2000, ALL);
		ck_assert_uint_eq(waitq_requeue(1000, 2000, 6), 5);
	}
	for (int i = 0; i < 6; i++) {
		ck_assert_ptr_eq(waitq_first(_i ? 2000 : 1000), co[order[i]]);
		waitq_cancel(co[order[i]]);
	}
}
END_TEST

START_TEST(bitset)
{
	struct coroutine *a = waiter(8, 1), *b = waiter(8, 2), *c = waiter(8, 5), *d = waiter(8, 1);
	struct coroutine *order[] = {c, b, a, d};

	ck_assert_uint_eq(waitq_wake(8, 9, 8), 0);
	ck_assert_uint_eq(waitq_wake(8, 9, 4), 1);
	ck_assert_uint_eq(waitq_wake(8, 1, 2), 1);
	ck_assert_uint_eq(waitq_wake(8, 9, 1 | 2), 2);
	check_woken(order, 4);
	a = waiter(8, 1U << 31);
	ck_assert_uint_eq(waitq_wake(8, 1, 1U << 31), 1);
	ck_assert_uint_eq(a->queue_key, 0);
}
END_TEST

START_TEST(cancel)
{
	struct coroutine *a = waiter(8, 1), *b = waiter(8, 1), *c = waiter(8, 1);
	struct coroutine *order[] = {a, c};

	waitq_cancel(b);
	waitq_cancel(b);
	ck_assert_uint_eq(waitq_wake(8, 9, 1), 2);
	check_woken(order, 2);
	b->queue_bits = 1;
	wait_queue(b, 12, 1);
	co_free(b);
	ck_assert_ptr_null(waitq_first(12));
}
END_TEST

START_TEST(requeue)
{
	struct coroutine *a[4], *b[2];
	struct coroutine *order[6];

	for (int i = 0; i < 4; i++)
		a[i] = waiter(100, ALL);
	for (int i = 0; i < 2; i++)
		b[i] = waiter(200, ALL);
	ck_assert_uint_eq(waitq_requeue(100, 200, 0), 0);
	ck_assert_uint_eq(waitq_requeue(300, 200, 5), 0);
	ck_assert_uint_eq(waitq_requeue(100, 200, 2), 2);
	ck_assert_ptr_eq(waitq_first(100), a[2]);
	ck_assert_uint_eq(waitq_requeue(100, 200, 7), 2);
	ck_assert_ptr_null(waitq_first(100));
	ck_assert_uint_eq(waitq_wake(100, 9, ALL), 0);
	memcpy(order, b, sizeof(b));
	memcpy(order + 2, a, sizeof(a));
	ck_assert_uint_eq(waitq_wake(200, 9, ALL), 6);
	check_woken(order, 6);
}
END_TEST

START_TEST(requeue_to_itself)
{
	struct coroutine *co[3] = {waiter(8, ALL), waiter(8, ALL), waiter(8, ALL)};

	ck_assert_uint_eq(waitq_requeue(8, 8, 0), 0);
	ck_assert_uint_eq(waitq_requeue(8, 8, 2), 2);
	ck_assert_uint_eq(waitq_requeue(8, 8, 9), 3);
	ck_assert_uint_eq(waitq_wake(8, 9, ALL), 3);
	check_woken(co, 3);
}
END_TEST

/* Two keys in one bucket are two queues all the same. */
START_TEST(same_bucket)
{
	uint64_t x = 4096, y = neighbour(x);
	struct coroutine *a[3], *b[3], *order[6];

	for (int i = 0; i < 3; i++) {
		a[i] = waiter(x, ALL);
		b[i] = waiter(y, ALL);
	}
	ck_assert_ptr_eq(waitq_first(x), a[0]);
	ck_assert_ptr_eq(waitq_first(y), b[0]);
	ck_assert_uint_eq(waitq_wake(y, 1, ALL), 1);
	ck_assert_ptr_eq(waitq_first(y), b[1]);
	ck_assert_uint_eq(waitq_requeue(x, y, 2), 2);
	ck_assert_ptr_eq(waitq_first(x), a[2]);
	ck_assert_uint_eq(waitq_requeue(x, x, 5), 1);
	ck_assert_uint_eq(waitq_wake(y, 9, ALL), 4);
	ck_assert_uint_eq(waitq_wake(x, 9, ALL), 1);
	memcpy(order, (struct coroutine *[]){b[0], b[1], b[2], a[0], a[1], a[2]}, sizeof(order));
	check_woken(order, 6);
}
END_TEST

#define MODEL_CO   300
#define MODEL_KEYS 6

static struct {
	struct coroutine *co;
	int key; /* -1 none */
	uint32_t bits;
	unsigned long since; /* order within the key */
} model[MODEL_CO];

static unsigned long stamp;

/* The one that has waited longest for `key` with a bit in common; -1 none. */
static int model_first(int key, uint32_t bits)
{
	int first = -1;

	for (int i = 0; i < MODEL_CO; i++)
		if (model[i].key == key && model[i].bits & bits &&
		    (first < 0 || model[i].since < model[first].since))
			first = i;
	return first;
}

static void model_wake(const uint64_t *keys, int key, unsigned n, uint32_t bits)
{
	unsigned woken = waitq_wake(keys[key], n, bits), expected = 0;
	struct list *l = this_carrier()->runq.next;

	for (int i; expected < n && (i = model_first(key, bits)) >= 0; expected++) {
		ck_assert(l != &this_carrier()->runq);
		ck_assert(container_of(l, struct coroutine, run) == model[i].co);
		model[i].key = -1;
		l = l->next;
	}
	ck_assert(l == &this_carrier()->runq);
	ck_assert_uint_eq(woken, expected);
	while (!list_empty(&this_carrier()->runq)) {
		struct coroutine *co =
			container_of(this_carrier()->runq.next, struct coroutine, run);

		list_del(&co->run);
		co->runnable = false;
	}
}

static void model_requeue(const uint64_t *keys, int from, int to, unsigned n)
{
	unsigned moved = waitq_requeue(keys[from], keys[to], n), expected = 0;

	if (from == to) {
		for (int i = 0; i < MODEL_CO; i++)
			expected += model[i].key == from && expected < n;
	} else {
		for (int i; expected < n && (i = model_first(from, ALL)) >= 0; expected++) {
			model[i].key = to;
			model[i].since = ++stamp;
		}
	}
	ck_assert_uint_eq(moved, expected);
}

START_TEST(random_operations)
{
	uint64_t keys[MODEL_KEYS] = {8, 1000, 0x7fff12345678, ~3UL};

	keys[4] = neighbour(keys[2]);
	keys[5] = neighbour(keys[0]);
	for (int i = 0; i < MODEL_CO; i++) {
		model[i].co = co_new();
		model[i].co->again = hook_again;
		model[i].key = -1;
	}
	for (int step = 0; step < 30000; step++) {
		int i = (int)(unit_random() % MODEL_CO), key = (int)(unit_random() % MODEL_KEYS);
		unsigned n = unit_random() % 4 ? (unsigned)(unit_random() % 5) : INT32_MAX;
		uint32_t bits = unit_random() % 2 ? ALL : (uint32_t)(1 + unit_random() % 7);
		int first;

		switch (unit_random() % 8) {
		default:
			if (model[i].key >= 0)
				break;
			wait_queue(model[i].co, keys[key], bits);
			model[i].key = key;
			model[i].bits = bits;
			model[i].since = ++stamp;
			break;
		case 5:
			model_wake(keys, key, n, bits);
			break;
		case 6:
			model_requeue(keys, key, (int)(unit_random() % MODEL_KEYS), n);
			break;
		case 7:
			waitq_cancel(model[i].co);
			model[i].key = -1;
			break;
		}
		first = model_first(key, ALL);
		if (waitq_first(keys[key]) != (first < 0 ? NULL : model[first].co))
			ck_abort_msg("step %d: not the longest waiting one", step);
	}
}
END_TEST

static void waits(struct task *t)
{
	ck_assert_int_eq(call3(op_queue, 400, ALL, 0), WAKE_EVENT);
	note(t->id);
}

static void wakes(struct task *t)
{
	yield();
	note(t->id);
	ck_assert_uint_eq(waitq_wake(400, 2, ALL), 2);
	yield();
	ck_assert_uint_eq(waitq_wake(400, 2, ALL), 1);
	note(t->id);
}

START_TEST(tasks)
{
	for (int i = 1; i < 4; i++)
		task_new(waits, i);
	task_new(wakes, 9);
	tasks_run();
	CHECK_LOG(9, 1, 2, 9, 3);
}
END_TEST

static void wakes_in_time(struct task *t)
{
	(void)t;
	ck_assert_int_eq(call3(op_queue, 400, ALL, MS), WAKE_TIMEOUT);
	ck_assert_uint_eq(t->co.queue_key, 0);
	ck_assert_ptr_null(waitq_first(400));
}

START_TEST(timeout)
{
	task_new(wakes_in_time, 0);
	tasks_run();
}
END_TEST

/* A key of 0 or a second queue is an error of ours, which is never passed over. */
START_TEST(no_key)
{
	wait_queue(co_new(), 0, 1);
}
END_TEST

START_TEST(two_queues)
{
	wait_queue(waiter(8, 1), 12, 1);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("waitq", 20, tasks_setup);

	tcase_add_test(tests, first_come);
	tcase_add_loop_test(tests, priorities, 0, 2);
	tcase_add_test(tests, bitset);
	tcase_add_test(tests, cancel);
	tcase_add_test(tests, requeue);
	tcase_add_test(tests, requeue_to_itself);
	tcase_add_test(tests, same_bucket);
	tcase_add_test(tests, random_operations);
	tcase_add_test(tests, tasks);
	tcase_add_test(tests, timeout);
	tcase_add_test_raise_signal(tests, no_key, SIGABRT);
	tcase_add_test_raise_signal(tests, two_queues, SIGABRT);
	return unit_end();
}
