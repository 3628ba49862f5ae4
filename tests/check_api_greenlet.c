/* SPDX-License-Identifier: MIT */
/* Unit tests: greenlets, by the rules of Python's. */
/* OBJS: shim/api/generator.o shim/api/greenlet.o shim/api/context.o shim/api/context_x86_64.o */
/* OBJS: shim/api/thread.o shim/api/stack.o shim/api/exceptions.o */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>

#include "../shim/copatch.h"
#include "unit.h"

#define V(n) ((void *)(intptr_t)(n))

static struct copatch_greenlet *a, *b, *c, *base;
static char trace[64]; /* who was where */

static void note(char what)
{
	size_t n = strlen(trace);

	if (n < sizeof(trace) - 1)
		trace[n] = what;
}

static void note_cleanup(void *arg)
{
	note((char)(intptr_t)arg);
}

static void begin(void)
{
	base = copatch_greenlet_current();
}

static struct copatch_greenlet *made(void *(*function)(void *))
{
	struct copatch_greenlet *g = copatch_greenlet_new(function);

	ck_assert_ptr_nonnull(g);
	return g;
}

static void *sent(struct copatch_greenlet *to, intptr_t value)
{
	void *received = V(-1);

	ck_assert_int_eq(copatch_switch(to, V(value), &received), 0);
	return received;
}

static void *first(void *value)
{
	ck_assert_ptr_eq(value, V(1));
	ck_assert_ptr_eq(copatch_greenlet_current(), a);
	ck_assert_ptr_eq(sent(b, 2), V(3));
	ck_assert_ptr_eq(sent(base, 4), V(5));
	return V(6);
}

static void *second(void *value)
{
	ck_assert_ptr_eq(value, V(2));
	sent(a, 3);
	return V(7);
}

START_TEST(values_both_ways)
{
	a = made(first);
	b = made(second);
	ck_assert_ptr_eq(sent(a, 1), V(4));
	ck_assert_int_eq(copatch_greenlet_dead(a), 0);
	ck_assert_ptr_eq(sent(a, 5), V(6));
	ck_assert_int_eq(copatch_greenlet_dead(a), 1);
	ck_assert_ptr_eq(sent(b, 0), V(7));
	ck_assert_ptr_eq(sent(base, 8), V(8)); /* oneself */
	ck_assert_int_eq(copatch_greenlet_free(a), 0);
	ck_assert_int_eq(copatch_greenlet_free(b), 0);
}
END_TEST

static void *returns(void *value)
{
	return value;
}

static void *makes_child(void *value)
{
	b = made(returns);
	ck_assert_ptr_eq(copatch_greenlet_parent(b), a);
	return value;
}

static void *waits(void *value)
{
	note('w');
	return sent(base, (intptr_t)value + 1);
}

/* The end goes to the parent, past dead ones; a parent that has not begun begins. */
START_TEST(who_is_next)
{
	ck_assert_ptr_null(copatch_greenlet_parent(base));
	a = made(makes_child);
	ck_assert_ptr_eq(copatch_greenlet_parent(a), base);
	ck_assert_ptr_eq(sent(a, 1), V(1));
	ck_assert_ptr_eq(sent(b, 2), V(2)); /* over the dead a */
	c = made(waits);
	a = made(returns);
	ck_assert_int_eq(copatch_greenlet_set_parent(a, c), 0);
	ck_assert_ptr_eq(sent(a, 10), V(11)); /* a ends, c begins with its value */
	ck_assert_str_eq(trace, "w");
	ck_assert_ptr_eq(sent(c, 12), V(12));
}
END_TEST

START_TEST(parents)
{
	a = made(returns);
	b = made(returns);
	c = made(returns);
	ck_assert_int_eq(copatch_greenlet_set_parent(a, b), 0);
	ck_assert_int_eq(copatch_greenlet_set_parent(b, c), 0);
	ck_assert_int_eq(copatch_greenlet_set_parent(c, a), -ELOOP);
	ck_assert_int_eq(copatch_greenlet_set_parent(c, c), -ELOOP);
	ck_assert_int_eq(copatch_greenlet_set_parent(base, a), -EINVAL);
	ck_assert_int_eq(copatch_greenlet_set_parent(NULL, a), -EINVAL);
	ck_assert_int_eq(copatch_greenlet_set_parent(a, NULL), -EINVAL);
	/* Handles given up: the children keep their parents. */
	copatch_greenlet_free(c);
	copatch_greenlet_free(b);
	ck_assert_ptr_eq(sent(a, 9), V(9));
	copatch_greenlet_free(a);
}
END_TEST

static sem_t ready, done;

static void *elsewhere(void *arg)
{
	(void)arg;
	ck_assert_int_eq(copatch_switch(a, NULL, NULL), -EPERM);
	ck_assert_int_eq(copatch_switch(b, NULL, NULL), -EPERM);
	ck_assert_int_eq(copatch_switch(base, NULL, NULL), -EPERM);
	ck_assert_int_eq(copatch_greenlet_kill(a), -EPERM);
	ck_assert_int_eq(copatch_greenlet_free(a), -EPERM);
	ck_assert_int_eq(copatch_greenlet_set_parent(a, copatch_greenlet_current()), -EPERM);
	c = copatch_greenlet_current();
	sem_post(&ready);
	sem_wait(&done);
	return NULL;
}

START_TEST(wrong_switches)
{
	pthread_t thread;

	a = made(waits);
	b = made(returns);
	sent(a, 0);
	sem_init(&ready, 0, 0);
	sem_init(&done, 0, 0);
	pthread_create(&thread, NULL, elsewhere, NULL);
	sem_wait(&ready);
	ck_assert_int_eq(copatch_switch(c, NULL, NULL), -EPERM);
	ck_assert_int_eq(copatch_greenlet_set_parent(a, c), -EPERM);
	sem_post(&done);
	pthread_join(thread, NULL);
	ck_assert_int_eq(copatch_greenlet_dead(c), 1);
	ck_assert_int_eq(copatch_switch(c, NULL, NULL), -EPERM); /* its thread has ended */
	ck_assert_int_eq(copatch_switch(NULL, NULL, NULL), -EINVAL);
	sent(a, 0);
	ck_assert_int_eq(copatch_switch(a, NULL, NULL), -ESRCH);
	ck_assert_int_eq(copatch_greenlet_dead(NULL), 1);
	ck_assert_ptr_null(copatch_greenlet_new(NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(copatch_stack_size((size_t)1 << 62), 0);
	ck_assert_int_eq(copatch_switch(b, NULL, NULL), -ENOMEM);
	ck_assert_int_eq(copatch_stack_size(64 << 10), 0);
	ck_assert_ptr_eq(sent(b, 1), V(1));
}
END_TEST

static void *tidy(void *value)
{
	pthread_cleanup_push(note_cleanup, value);
	pthread_cleanup_push(note_cleanup, V('2'));
	sent(base, 0);
	note('!');
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return V(1);
}

static void *killer(void *value)
{
	ck_assert_int_eq(copatch_greenlet_kill(a), 0);
	note('k'); /* and not its parent */
	return value;
}

START_TEST(killed)
{
	a = made(tidy);
	sent(a, '1');
	b = made(killer);
	ck_assert_ptr_eq(sent(b, 5), V(5));
	ck_assert_str_eq(trace, "21k");
	ck_assert_int_eq(copatch_greenlet_dead(a), 1);
	ck_assert_int_eq(copatch_greenlet_kill(a), 0);
	ck_assert_int_eq(copatch_switch(a, NULL, NULL), -ESRCH);
	a = made(tidy); /* not begun: nothing runs */
	ck_assert_int_eq(copatch_greenlet_kill(a), 0);
	ck_assert_int_eq(copatch_greenlet_dead(a), 1);
	ck_assert_int_eq(copatch_switch(a, NULL, NULL), -ESRCH);
	ck_assert_str_eq(trace, "21k");
	ck_assert_int_eq(copatch_greenlet_kill(base), -EINVAL);
	ck_assert_int_eq(copatch_greenlet_free(base), -EINVAL);
	ck_assert_int_eq(copatch_greenlet_kill(NULL), -EINVAL);
	ck_assert_int_eq(copatch_greenlet_free(NULL), 0);
}
END_TEST

static void *kills_itself(void *value)
{
	pthread_cleanup_push(note_cleanup, value);
	copatch_greenlet_kill(copatch_greenlet_current());
	note('!');
	pthread_cleanup_pop(0);
	return V(1);
}

START_TEST(killed_by_itself)
{
	a = made(kills_itself);
	ck_assert_ptr_eq(sent(a, 's'), NULL);
	ck_assert_str_eq(trace, "s");
	ck_assert_int_eq(copatch_greenlet_dead(a), 1);
}
END_TEST

static void switch_away(void *arg)
{
	note('(');
	ck_assert_ptr_eq(sent(arg, 1), NULL);
	note(')');
}

static void *reluctant(void *value)
{
	pthread_cleanup_push(note_cleanup, value);
	pthread_cleanup_push(switch_away, base);
	sent(base, 0);
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

START_TEST(switches_while_killed)
{
	a = made(reluctant);
	sent(a, 'r');
	ck_assert_int_eq(copatch_greenlet_kill(a), -EBUSY);
	ck_assert_int_eq(copatch_greenlet_dead(a), 0);
	b = made(tidy);
	sent(b, '1');
	ck_assert_int_eq(copatch_greenlet_kill(b), 0); /* meanwhile another */
	ck_assert_int_eq(copatch_greenlet_kill(a), 0);
	ck_assert_str_eq(trace, "(21)r");
}
END_TEST

START_TEST(freed)
{
	a = made(tidy);
	sent(a, '1');
	ck_assert_int_eq(copatch_greenlet_free(a), 0);
	ck_assert_str_eq(trace, "21");
	copatch_greenlet_free(made(tidy));
	ck_assert_str_eq(trace, "21");
}
END_TEST

static void *frees_itself(void *value)
{
	ck_assert_int_eq(copatch_greenlet_free(a), 0);
	note('f');
	return value;
}

START_TEST(freed_by_itself)
{
	a = made(frees_itself);
	ck_assert_ptr_eq(sent(a, 3), V(3));
	ck_assert_str_eq(trace, "f");
}
END_TEST

static void inner(void *arg)
{
	pthread_cleanup_push(note_cleanup, V('i'));
	sent(base, 1);
	copatch_yield(arg);
	sent(base, 2);
	pthread_cleanup_pop(0);
}

static void *asks(void *value)
{
	struct copatch_generator *gen = copatch_generator_new(inner, value);
	void *got = NULL;

	pthread_cleanup_push(note_cleanup, V('o'));
	ck_assert_int_eq(copatch_next(gen, &got), 1);
	ck_assert_ptr_eq(got, value);
	(void)!copatch_next(gen, NULL);
	note('!');
	pthread_cleanup_pop(0);
	return NULL;
}

/* A generator's body is part of the greenlet that asks: switches go back into it. */
START_TEST(within_a_generator)
{
	a = made(asks);
	ck_assert_ptr_eq(sent(a, 11), V(1));
	ck_assert_ptr_eq(sent(a, 0), V(2));
	ck_assert_int_eq(copatch_greenlet_kill(a), 0);
	ck_assert_str_eq(trace, "io");
}
END_TEST

static void *leaves_some(void *arg)
{
	base = copatch_greenlet_current();
	a = made(tidy);
	sent(a, '1');
	b = made(tidy);
	return arg;
}

START_TEST(end_of_thread)
{
	pthread_t thread;

	pthread_create(&thread, NULL, leaves_some, NULL);
	pthread_join(thread, NULL);
	ck_assert_str_eq(trace, "21");
	ck_assert_int_eq(copatch_greenlet_dead(a), 1);
	ck_assert_int_eq(copatch_greenlet_dead(b), 1);
	ck_assert_int_eq(copatch_greenlet_free(a), 0);
	ck_assert_int_eq(copatch_greenlet_free(b), 0);
}
END_TEST

static void *exits(void *value)
{
	pthread_cleanup_push(note_cleanup, V('g'));
	pthread_exit(value);
	pthread_cleanup_pop(0);
}

static void *exits_within(void *arg)
{
	pthread_cleanup_push(note_cleanup, V('t'));
	(void)!copatch_switch(made(exits), arg, NULL);
	note('!');
	pthread_cleanup_pop(0);
	return NULL;
}

/* The thread's own end is not its greenlet's alone. */
START_TEST(thread_exits_within)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, exits_within, &ready);
	pthread_join(thread, &result);
	ck_assert_ptr_eq(result, &ready);
	ck_assert_str_eq(trace, "gt");
}
END_TEST

static void *changes_errno(void *value)
{
	ck_assert_int_eq(errno, 0);
	errno = 4711;
	sent(base, 0);
	ck_assert_int_eq(errno, 4711);
	return value;
}

START_TEST(errno_of_each)
{
	a = made(changes_errno);
	errno = 42;
	sent(a, 0);
	ck_assert_int_eq(errno, 42);
	sent(a, 0);
	ck_assert_int_eq(errno, 42);
}
END_TEST

static void *passes_on(void *value)
{
	/* Round and round: each passes what it gets, less one, to a neighbour. */
	for (;;) {
		struct copatch_greenlet *to = copatch_greenlet_current() == a ? b : a;

		if (!value)
			return V(99);
		ck_assert_int_eq(copatch_switch(to, V((intptr_t)value - 1), &value), 0);
	}
}

START_TEST(many_switches)
{
	a = made(passes_on);
	b = made(passes_on);
	ck_assert_ptr_eq(sent(a, 1000000), V(99));
}
END_TEST

START_TEST(many_greenlets)
{
	struct copatch_greenlet *g[10000];

	for (int i = 0; i < 10000; i++) {
		g[i] = made(waits);
		ck_assert_ptr_eq(sent(g[i], i), V(i + 1));
	}
	for (int i = 0; i < 10000; i++) {
		if (i % 2)
			ck_assert_ptr_eq(sent(g[i], i), V(i));
		copatch_greenlet_free(g[i]);
	}
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("api_greenlet", 20, begin);

	tcase_add_test(tests, values_both_ways);
	tcase_add_test(tests, who_is_next);
	tcase_add_test(tests, parents);
	tcase_add_test(tests, wrong_switches);
	tcase_add_test(tests, killed);
	tcase_add_test(tests, killed_by_itself);
	tcase_add_test(tests, switches_while_killed);
	tcase_add_test(tests, freed);
	tcase_add_test(tests, freed_by_itself);
	tcase_add_test(tests, within_a_generator);
	tcase_add_test(tests, end_of_thread);
	tcase_add_test(tests, thread_exits_within);
	tcase_add_test(tests, errno_of_each);
	tcase_add_test(tests, many_switches);
	tcase_add_test(tests, many_greenlets);
	return unit_end();
}
