/* SPDX-License-Identifier: MIT */
/* Unit tests: generators. */
/* OBJS: shim/api/generator.o shim/api/greenlet.o shim/api/context.o shim/api/context_x86_64.o */
/* OBJS: shim/api/thread.o shim/api/stack.o shim/api/exceptions.o */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "../shim/copatch.h"
#include "unit.h"

static int cleaned;

static void count_up(void *arg)
{
	for (intptr_t i = 0; i < *(int *)arg; i++)
		ck_assert_int_eq(copatch_yield((void *)i), 0);
}

static void add(void *arg)
{
	cleaned = cleaned * 10 + (int)(intptr_t)arg;
}

static void tidy(void *arg)
{
	(void)arg;
	pthread_cleanup_push(add, (void *)1);
	pthread_cleanup_push(add, (void *)2);
	for (;;)
		copatch_yield(NULL);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
}

static struct copatch_generator *begun(void (*function)(void *), void *arg)
{
	struct copatch_generator *gen = copatch_generator_new(function, arg);

	ck_assert_ptr_nonnull(gen);
	ck_assert_int_eq(copatch_next(gen, NULL), 1);
	return gen;
}

START_TEST(values_and_the_end)
{
	int n = 3;
	struct copatch_generator *gen = copatch_generator_new(count_up, &n);
	void *value = NULL;

	for (intptr_t i = 0; i < n; i++) {
		ck_assert_int_eq(copatch_next(gen, &value), 1);
		ck_assert_ptr_eq(value, (void *)i);
	}
	value = &n;
	ck_assert_int_eq(copatch_next(gen, &value), 0);
	ck_assert_int_eq(copatch_next(gen, &value), 0);
	ck_assert_ptr_eq(value, &n);
	ck_assert_int_eq(copatch_generator_free(gen), 0);
}
END_TEST

START_TEST(several_at_once)
{
	int n = 100;
	struct copatch_generator *gen[50];
	void *value;

	for (int i = 0; i < 50; i++)
		gen[i] = copatch_generator_new(count_up, &n);
	for (intptr_t round = 0; round < n; round++)
		for (int i = 0; i < 50; i++) {
			ck_assert_int_eq(copatch_next(gen[i], &value), 1);
			ck_assert_ptr_eq(value, (void *)round);
		}
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(copatch_next(gen[i], &value), 0);
		ck_assert_int_eq(copatch_generator_free(gen[i]), 0);
	}
}
END_TEST

/* Hands on every second value of another generator. */
static void every_second(void *arg)
{
	struct copatch_generator *of = copatch_generator_new(count_up, arg);
	void *value;

	while (copatch_next(of, &value) == 1 && copatch_next(of, NULL) == 1)
		copatch_yield(value);
	ck_assert_int_eq(copatch_generator_free(of), 0);
}

START_TEST(in_one_another)
{
	int n = 20;
	struct copatch_generator *gen = copatch_generator_new(every_second, &n);
	intptr_t expected = 0;
	void *value;

	for (; copatch_next(gen, &value) == 1; expected += 2)
		ck_assert_ptr_eq(value, (void *)expected);
	ck_assert_int_eq((int)expected, n);
	copatch_generator_free(gen);
}
END_TEST

static void asks_itself(void *arg)
{
	struct copatch_generator **self = arg;

	ck_assert_int_eq(copatch_next(*self, NULL), -EBUSY);
	ck_assert_int_eq(copatch_generator_free(*self), -EBUSY);
}

static void *from_elsewhere(void *arg)
{
	ck_assert_int_eq(copatch_next(arg, NULL), -EPERM);
	ck_assert_int_eq(copatch_generator_free(arg), -EPERM);
	return NULL;
}

START_TEST(wrong_calls)
{
	struct copatch_generator *gen;
	pthread_t thread;
	int n = 2;

	ck_assert_int_eq(copatch_yield(NULL), -EPERM);
	ck_assert_int_eq(copatch_next(NULL, NULL), -EINVAL);
	ck_assert_int_eq(copatch_generator_free(NULL), 0);
	ck_assert_ptr_null(copatch_generator_new(NULL, NULL));
	ck_assert_int_eq(errno, EINVAL);
	gen = copatch_generator_new(asks_itself, &gen);
	ck_assert_int_eq(copatch_next(gen, NULL), 0);
	ck_assert_int_eq(copatch_yield(NULL), -EPERM);
	ck_assert_int_eq(copatch_generator_free(gen), 0);
	gen = begun(count_up, &n);
	pthread_create(&thread, NULL, from_elsewhere, gen);
	pthread_join(thread, NULL);
	ck_assert_int_eq(copatch_next(gen, NULL), 1);
	ck_assert_int_eq(copatch_generator_free(gen), 0);
	ck_assert_int_eq(copatch_stack_size(1000), -EINVAL);
	ck_assert_int_eq(copatch_stack_size((size_t)1 << 62), 0);
	gen = copatch_generator_new(count_up, &n);
	ck_assert_int_eq(copatch_next(gen, NULL), -ENOMEM);
	ck_assert_int_eq(copatch_stack_size(64 << 10), 0);
	ck_assert_int_eq(copatch_next(gen, NULL), 1);
	copatch_generator_free(gen);
}
END_TEST

START_TEST(dropped)
{
	copatch_generator_free(begun(tidy, NULL));
	ck_assert_int_eq(cleaned, 21);
	copatch_generator_free(copatch_generator_new(tidy, NULL));
	ck_assert_int_eq(cleaned, 21);
}
END_TEST

/* glibc has one list of such handlers a thread: pushed and popped in turns it must not mix. */
START_TEST(handlers_in_turns)
{
	struct copatch_generator *a, *b;

	pthread_cleanup_push(add, (void *)3);
	a = begun(tidy, NULL);
	b = begun(tidy, NULL);
	copatch_generator_free(a);
	ck_assert_int_eq(copatch_next(b, NULL), 1);
	pthread_cleanup_pop(1);
	ck_assert_int_eq(cleaned, 213);
	copatch_generator_free(b);
	ck_assert_int_eq(cleaned, 21321);
}
END_TEST

static void yield_late(void *arg)
{
	*(int *)arg = copatch_yield(NULL);
}

static void late(void *arg)
{
	pthread_cleanup_push(yield_late, arg);
	copatch_yield(NULL);
	pthread_cleanup_pop(0);
}

START_TEST(no_yield_while_dropped)
{
	int result = 1;

	copatch_generator_free(begun(late, &result));
	ck_assert_int_eq(result, -ECANCELED);
}
END_TEST

static void drop_another(void *arg)
{
	copatch_generator_free(arg);
	add((void *)4);
}

static void owner(void *arg)
{
	struct copatch_generator *other = begun(tidy, arg);

	pthread_cleanup_push(add, (void *)5);
	pthread_cleanup_push(drop_another, other);
	copatch_yield(NULL);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
}

START_TEST(drops_within_drops)
{
	copatch_generator_free(begun(owner, NULL));
	ck_assert_int_eq(cleaned, 2145);
}
END_TEST

static void *leaves_some(void *arg)
{
	begun(tidy, NULL);
	return arg;
}

START_TEST(end_of_thread)
{
	pthread_t thread;

	pthread_create(&thread, NULL, leaves_some, NULL);
	pthread_join(thread, NULL);
	ck_assert_int_eq(cleaned, 21);
}
END_TEST

static void in_a_generator(void *arg)
{
	pthread_cleanup_push(add, (void *)6);
	if (arg)
		pthread_exit(arg);
	copatch_yield(NULL);
	for (;;) {
		struct timespec ts = {1, 0};

		nanosleep(&ts, NULL);
	}
	pthread_cleanup_pop(0);
}

static void *asks(void *arg)
{
	struct copatch_generator *gen = copatch_generator_new(in_a_generator, arg);

	pthread_cleanup_push(add, (void *)7);
	while (copatch_next(gen, NULL) == 1)
		;
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(thread_is_cancelled_inside)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, asks, NULL);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, PTHREAD_CANCELED);
	ck_assert_int_eq(cleaned, 67);
	pthread_create(&thread, NULL, asks, &cleaned);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, &cleaned);
	ck_assert_int_eq(cleaned, 6767);
}
END_TEST

static unsigned control_word(void)
{
	unsigned mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return mxcsr & ~0x3fU;
}

static void set_control(unsigned mxcsr, unsigned short fcw)
{
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
}

static unsigned short x87_control(void)
{
	unsigned short fcw;

	__asm__ volatile("fnstcw %0" : "=m"(fcw));
	return fcw;
}

static void changes_state(void *arg)
{
	(void)arg;
	ck_assert_uint_eq(control_word(), 0x3f80);
	set_control(0x5f80, 0x67f);
	errno = 4711;
	copatch_yield(NULL);
	ck_assert_int_eq(errno, 4711);
	ck_assert_uint_eq(control_word(), 0x5f80);
	ck_assert_uint_eq(x87_control(), 0x67f);
}

START_TEST(state_of_each)
{
	struct copatch_generator *gen;

	set_control(0x3f80, 0xa7f);
	errno = 42;
	gen = begun(changes_state, NULL);
	ck_assert_int_eq(errno, 42);
	ck_assert_uint_eq(control_word(), 0x3f80);
	ck_assert_uint_eq(x87_control(), 0xa7f);
	ck_assert_int_eq(copatch_next(gen, NULL), 0);
	set_control(0x1f80, 0x37f);
	copatch_generator_free(gen);
}
END_TEST

static int mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	int lines = 0;

	for (int c; (c = getc(f)) != EOF;)
		lines += c == '\n';
	fclose(f);
	return lines;
}

START_TEST(stacks_are_given_back)
{
	struct copatch_generator *gen[1000];
	int before = mappings();

	for (int i = 0; i < 1000; i++)
		gen[i] = begun(tidy, NULL);
	ck_assert_int_gt(mappings(), before + 1000);
	for (int i = 0; i < 1000; i++) {
		copatch_generator_free(gen[i]);
		cleaned = 0;
	}
	ck_assert_int_lt(mappings(), before + 100);
}
END_TEST

static int eat(int n)
{
	volatile char frame[4000];

	frame[n & 1023] = (char)n;
	return n ? eat(n - 1) + frame[n & 1023] : 0;
}

static void overflow(void *arg)
{
	copatch_yield(NULL);
	*(int *)arg = eat(100000);
}

START_TEST(overflow_is_a_fault)
{
	int result;
	struct copatch_generator *gen = begun(overflow, &result);

	(void)!copatch_next(gen, NULL);
}
END_TEST

static void for_ever(void *arg)
{
	for (;;)
		copatch_yield(arg);
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The best of many rounds, as others use the machine too. */
START_TEST(thirty_nanoseconds)
{
	struct copatch_generator *gen = begun(for_ever, NULL);
	double best = 1e9;

	for (int round = 0; round < 5000; round++) {
		double begin = now_ns(), each;

		for (int i = 0; i < 1000; i++)
			(void)!copatch_next(gen, NULL);
		each = (now_ns() - begin) / 1000;
		best = each < best ? each : best;
	}
	printf("a yield and a resume: %.1f ns\n", best);
	ck_assert(best < 30);
	copatch_generator_free(gen);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("api_generator", 20, NULL);

	tcase_add_test(tests, values_and_the_end);
	tcase_add_test(tests, several_at_once);
	tcase_add_test(tests, in_one_another);
	tcase_add_test(tests, wrong_calls);
	tcase_add_test(tests, dropped);
	tcase_add_test(tests, handlers_in_turns);
	tcase_add_test(tests, no_yield_while_dropped);
	tcase_add_test(tests, drops_within_drops);
	tcase_add_test(tests, end_of_thread);
	tcase_add_test(tests, thread_is_cancelled_inside);
	tcase_add_test(tests, state_of_each);
	tcase_add_test(tests, stacks_are_given_back);
	tcase_add_test_raise_signal(tests, overflow_is_a_fault, SIGSEGV);
	tcase_add_test(tests, thirty_nanoseconds);
	return unit_end();
}
