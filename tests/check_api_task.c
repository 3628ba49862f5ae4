/* SPDX-License-Identifier: MIT */
/* Unit tests: tasks, timeout scopes, pools and queues. */
/* OBJS: shim/api/generator.o shim/api/greenlet.o shim/api/context.o shim/api/context_x86_64.o */
/* OBJS: shim/api/thread.o shim/api/stack.o shim/api/exceptions.o */
/* OBJS: shim/api/task.o shim/api/timeout.o shim/api/pool.o shim/api/queue.o */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "../shim/copatch.h"
#include "unit.h"

#define V(n) ((void *)(intptr_t)(n))

static atomic_int cleaned, begun, running, most, sum;
static int ends[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void begin(void)
{
	ck_assert_int_eq(pipe(ends), 0);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void clean(void *arg)
{
	cleaned += (int)(intptr_t)arg;
}

static struct copatch_task *spawned(void *(*function)(void *), void *arg)
{
	struct copatch_task *task = copatch_spawn(function, arg);

	ck_assert_ptr_nonnull(task);
	return task;
}

static void *returns(void *arg)
{
	return arg;
}

static void *sleeps(void *arg)
{
	pthread_cleanup_push(clean, V(1));
	copatch_sleep((long)(intptr_t)arg);
	pthread_cleanup_pop(0);
	return arg;
}

static void *reads(void *arg)
{
	char byte;

	pthread_cleanup_push(clean, V(1));
	begun = 1;
	ck_assert_int_eq((int)read(ends[0], &byte, 1), 1);
	pthread_cleanup_pop(0);
	return arg;
}

START_TEST(values)
{
	struct copatch_task *task = spawned(returns, V(7));
	void *value = NULL;

	ck_assert_int_eq(copatch_join(task, -1, &value), 0);
	ck_assert_ptr_eq(value, V(7));
	value = NULL;
	ck_assert_int_eq(copatch_join(task, 0, &value), 0); /* again */
	ck_assert_ptr_eq(value, V(7));
	ck_assert_int_eq(copatch_task_ended(task), 1);
	copatch_task_free(task);
	copatch_task_free(spawned(sleeps, V(10)));
	copatch_task_free(NULL);
}
END_TEST

START_TEST(join_in_time)
{
	long since = now_ms();
	struct copatch_task *task = spawned(sleeps, V(300));

	ck_assert_int_eq(copatch_join(task, 0, NULL), -ETIMEDOUT);
	ck_assert_int_eq(copatch_join(task, 50, NULL), -ETIMEDOUT);
	ck_assert_int_ge(now_ms() - since, 50);
	ck_assert_int_eq(copatch_task_ended(task), 0);
	ck_assert_int_eq(copatch_join(task, 10000, NULL), 0);
	ck_assert_int_ge(now_ms() - since, 300);
	copatch_task_free(task);
}
END_TEST

static void *joins(void *arg)
{
	void *value = NULL;

	ck_assert_int_eq(copatch_join(arg, -1, &value), 0);
	return value;
}

START_TEST(many_joiners)
{
	struct copatch_task *task = spawned(sleeps, V(50)), *joiner[20];
	void *value;

	for (int i = 0; i < 20; i++)
		joiner[i] = spawned(joins, task);
	ck_assert_int_eq(copatch_joinall(joiner, 20, -1), 20);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(copatch_join(joiner[i], -1, &value), 0);
		ck_assert_ptr_eq(value, V(50));
		copatch_task_free(joiner[i]);
	}
	copatch_task_free(task);
}
END_TEST

START_TEST(joinall_in_time)
{
	struct copatch_task *task[4];
	long since = now_ms();

	for (int i = 0; i < 4; i++)
		task[i] = spawned(sleeps, V(i % 2 ? 5000 : 20));
	ck_assert_int_eq(copatch_joinall(task, 4, 400), 2);
	ck_assert_int_lt(now_ms() - since, 3000);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(copatch_kill(task[i], -1), 0);
	ck_assert_int_eq(copatch_joinall(task, 4, 0), 4);
	ck_assert_int_eq(cleaned, 2);
	ck_assert_int_eq(copatch_joinall(NULL, 0, -1), 0);
	ck_assert_int_eq(copatch_joinall(NULL, 1, -1), -EINVAL);
}
END_TEST

static void *locks(void *arg)
{
	begun = 1;
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(clean, V(10));
	pthread_mutex_unlock(&mutex);
	copatch_sleep(60000);
	pthread_cleanup_pop(0);
	return arg;
}

static void *computes(void *arg)
{
	begun = 1;
	while (!cleaned)
		;
	return arg;
}

/* A task that has come as far as it gets by itself. */
static struct copatch_task *begun_task(void *(*function)(void *), void *arg)
{
	struct copatch_task *task;

	begun = 0;
	task = spawned(function, arg);
	while (!begun)
		copatch_sleep(1);
	copatch_sleep(20);
	return task;
}

START_TEST(kill_while_blocked)
{
	struct copatch_task *task;
	void *value = V(5);

	task = spawned(sleeps, V(60000));
	ck_assert_int_eq(copatch_kill(task, -1), 0);
	ck_assert_int_eq(copatch_join(task, -1, &value), -ECANCELED);
	ck_assert_ptr_eq(value, V(5));
	ck_assert_int_eq(copatch_kill(task, 0), 0);
	copatch_task_free(task);
	cleaned = 0;

	task = begun_task(reads, NULL);
	ck_assert_int_eq(copatch_kill(task, -1), 0);
	ck_assert_int_eq(copatch_join(task, -1, NULL), -ECANCELED);
	ck_assert_int_eq(cleaned, 1);
	copatch_task_free(task);
	cleaned = 0;

	/* A mutex is no cancellation point: it ends once it has it. */
	pthread_mutex_lock(&mutex);
	task = begun_task(locks, NULL);
	ck_assert_int_eq(copatch_kill(task, 50), -ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	ck_assert_int_eq(copatch_join(task, -1, NULL), -ECANCELED);
	ck_assert_int_eq(cleaned, 10);
	copatch_task_free(task);
	cleaned = 0;

	task = begun_task(computes, V(3));
	ck_assert_int_eq(copatch_kill(task, 20), -ETIMEDOUT);
	cleaned = 1;
	ck_assert_int_eq(copatch_join(task, -1, &value), 0); /* it got away */
	ck_assert_ptr_eq(value, V(3));
	copatch_task_free(task);
}
END_TEST

static void *kills_itself(void *arg)
{
	pthread_cleanup_push(clean, arg);
	copatch_kill(copatch_self(), 0);
	clean(V(100));
	pthread_cleanup_pop(0);
	return arg;
}

static void *fails(void *arg)
{
	pthread_cleanup_push(clean, V(1));
	copatch_fail((int)(intptr_t)arg);
	pthread_cleanup_pop(0);
	return arg;
}

static void *exits(void *arg)
{
	pthread_exit(arg);
}

static void *joins_itself(void *arg)
{
	struct copatch_task *self = copatch_self();

	ck_assert_int_eq(copatch_join(self, -1, NULL), -EDEADLK);
	ck_assert_int_eq((int)copatch_joinall(&self, 1, -1), -EDEADLK);
	return arg;
}

START_TEST(other_ends)
{
	void *(*const function[])(void *) = {kills_itself, fails, exits, joins_itself};
	const int result[] = {-ECANCELED, -EPROTO, -ECANCELED, 0};

	for (int i = 0; i < 4; i++) {
		struct copatch_task *task = spawned(function[i], V(EPROTO));

		ck_assert_int_eq(copatch_join(task, -1, NULL), result[i]);
		copatch_task_free(task);
	}
	ck_assert_int_eq(cleaned, EPROTO + 1);
	ck_assert_ptr_null(copatch_self());
	ck_assert_ptr_null(copatch_spawn(NULL, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(copatch_join(NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(copatch_kill(NULL, 0), -EINVAL);
	ck_assert_int_eq(copatch_task_ended(NULL), 1);
}
END_TEST

static pthread_key_t key;

static void late_destructor(void *arg)
{
	copatch_sleep(100);
	clean(arg);
}

static void *leaves_a_value(void *arg)
{
	pthread_setspecific(key, arg);
	return NULL;
}

/* When a join returns nothing of the task runs any more. */
START_TEST(join_waits_for_destructors)
{
	struct copatch_task *task;

	pthread_key_create(&key, late_destructor);
	task = spawned(leaves_a_value, V(3));
	ck_assert_int_eq(copatch_join(task, -1, NULL), 0);
	ck_assert_int_eq(cleaned, 3);
	copatch_task_free(task);
}
END_TEST

START_TEST(sleep_is_exact)
{
	long since = now_ms();

	ck_assert_int_eq(copatch_sleep(0), 0);
	ck_assert_int_eq(copatch_sleep(120), 0);
	ck_assert_int_ge(now_ms() - since, 120);
	ck_assert_int_lt(now_ms() - since, 1500);
}
END_TEST

START_TEST(scope_in_time)
{
	void *value = NULL;

	ck_assert_int_eq(copatch_with_timeout(5000, returns, V(4), &value), 0);
	ck_assert_ptr_eq(value, V(4));
	ck_assert_int_eq(copatch_with_timeout(-1, sleeps, V(20), &value), 0);
	ck_assert_ptr_eq(value, V(20));
	ck_assert_int_eq(copatch_with_timeout(1000, fails, V(EPROTO), &value), -EPROTO);
	ck_assert_int_eq(copatch_with_timeout(1000, NULL, NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(scope_too_late)
{
	long since = now_ms();

	ck_assert_int_eq(copatch_with_timeout(300, sleeps, V(60000), NULL), -ETIMEDOUT);
	ck_assert_int_eq(copatch_with_timeout(300, reads, NULL, NULL), -ETIMEDOUT);
	ck_assert_int_eq(cleaned, 2);
	ck_assert_int_ge(now_ms() - since, 600);
	ck_assert_int_lt(now_ms() - since, 5000);
}
END_TEST

static void *inner_scope(void *arg)
{
	pthread_cleanup_push(clean, V(10));
	ck_assert_int_eq(copatch_with_timeout((long)(intptr_t)arg, sleeps, V(60000), NULL),
			 -ETIMEDOUT);
	pthread_cleanup_pop(0);
	return V(9);
}

START_TEST(scopes_in_one_another)
{
	void *value = NULL;

	ck_assert_int_eq(copatch_with_timeout(10000, inner_scope, V(30), &value), 0);
	ck_assert_ptr_eq(value, V(9));
	ck_assert_int_eq(cleaned, 1);
	ck_assert_int_eq(copatch_with_timeout(30, inner_scope, V(60000), NULL), -ETIMEDOUT);
	ck_assert_int_eq(cleaned, 1 + 11);
}
END_TEST

START_TEST(kill_of_a_scope)
{
	struct copatch_task *task = spawned(inner_scope, V(60000));

	copatch_sleep(50);
	ck_assert_int_eq(copatch_kill(task, -1), 0);
	ck_assert_int_eq(cleaned, 11);
	copatch_task_free(task);
}
END_TEST

static void *counts(void *arg)
{
	int now = ++running, seen = most;

	while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
		;
	copatch_sleep(5);
	running--;
	sum += (int)(intptr_t)arg;
	return NULL;
}

START_TEST(pool_is_bounded)
{
	struct copatch_pool *pool = copatch_pool_new(8);

	for (int i = 1; i <= 200; i++)
		ck_assert_int_eq(copatch_pool_spawn(pool, counts, V(i), -1, NULL), 0);
	ck_assert_int_eq(copatch_pool_join(pool, -1), 0);
	ck_assert_int_eq(sum, 200 * 201 / 2);
	ck_assert_int_eq(most, 8);
	ck_assert_int_eq(copatch_pool_free(pool), 0);
}
END_TEST

static void *waits_for_its_pool(void *arg)
{
	ck_assert_int_eq(copatch_pool_join(arg, -1), -EDEADLK);
	ck_assert_int_eq(copatch_pool_kill(arg, -1), -EDEADLK);
	return V(6);
}

START_TEST(pool_edges)
{
	struct copatch_pool *pool = copatch_pool_new(2);
	struct copatch_task *task[2], *third = NULL;
	void *value = NULL;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(copatch_pool_spawn(pool, sleeps, V(60000), 0, &task[i]), 0);
	ck_assert_int_eq(copatch_pool_spawn(pool, returns, NULL, 30, &third), -ETIMEDOUT);
	ck_assert_ptr_null(third);
	ck_assert_int_eq(copatch_pool_join(pool, 30), -ETIMEDOUT);
	ck_assert_int_eq(copatch_pool_free(pool), -EBUSY);
	copatch_sleep(50);
	ck_assert_int_eq(copatch_kill(task[0], -1), 0); /* makes room */
	ck_assert_int_eq(copatch_pool_spawn(pool, waits_for_its_pool, pool, 0, &third), 0);
	ck_assert_int_eq(copatch_join(third, -1, &value), 0);
	ck_assert_ptr_eq(value, V(6));
	ck_assert_int_eq(copatch_pool_kill(pool, -1), 0);
	ck_assert_int_eq(copatch_join(task[1], 0, NULL), -ECANCELED);
	ck_assert_int_eq(cleaned, 2);
	copatch_task_free(task[0]);
	copatch_task_free(task[1]);
	copatch_task_free(third);
	ck_assert_int_eq(copatch_pool_free(pool), 0);
	ck_assert_ptr_null(copatch_pool_new(0));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(copatch_pool_spawn(NULL, returns, NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(copatch_pool_join(NULL, 0), -EINVAL);
	ck_assert_int_eq(copatch_pool_kill(NULL, 0), -EINVAL);
	ck_assert_int_eq(copatch_pool_free(NULL), 0);
}
END_TEST

static struct copatch_queue *queue;

START_TEST(queue_order)
{
	void *item;

	queue = copatch_queue_new(3);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(copatch_queue_put(queue, V(i), 0), 0);
		ck_assert_int_eq(copatch_queue_put(queue, V(3), 0), -ETIMEDOUT);
		ck_assert_int_eq(copatch_queue_put(queue, V(3), 20), -ETIMEDOUT);
		ck_assert_uint_eq(copatch_queue_length(queue), 3);
		for (int i = 0; i < 3; i++) {
			ck_assert_int_eq(copatch_queue_get(queue, &item, 0), 0);
			ck_assert_ptr_eq(item, V(i));
		}
		ck_assert_int_eq(copatch_queue_get(queue, &item, 0), -ETIMEDOUT);
		ck_assert_int_eq(copatch_queue_get(queue, &item, 20), -ETIMEDOUT);
	}
	ck_assert_int_eq(copatch_queue_put(queue, V(1), 0), 0);
	copatch_queue_free(queue); /* with something in it */
	ck_assert_int_eq(copatch_queue_put(NULL, NULL, 0), -EINVAL);
	ck_assert_int_eq(copatch_queue_get(NULL, NULL, 0), -EINVAL);
	ck_assert_uint_eq(copatch_queue_length(NULL), 0);
	queue = copatch_queue_new(0);
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(copatch_queue_put(queue, V(i), 0), 0);
	ck_assert_uint_eq(copatch_queue_length(queue), 10000);
	copatch_queue_free(queue);
	copatch_queue_free(NULL);
}
END_TEST

#define EACH 20000

static void *produces(void *arg)
{
	for (int i = 1; i <= EACH; i++)
		ck_assert_int_eq(copatch_queue_put(queue, V(i % 100), -1), 0);
	return arg;
}

static void *consumes(void *arg)
{
	void *item;

	for (int i = 0; i < EACH; i++) {
		ck_assert_int_eq(copatch_queue_get(queue, &item, -1), 0);
		sum += (int)(intptr_t)item;
	}
	return arg;
}

static void *gets_for_ever(void *arg)
{
	void *item;

	(void)arg;
	for (;;)
		ck_assert_int_eq(copatch_queue_get(queue, &item, -1), 0);
}

START_TEST(queue_under_load)
{
	struct copatch_task *task[8];

	queue = copatch_queue_new(16);
	for (int i = 0; i < 8; i++)
		task[i] = spawned(i % 2 ? produces : consumes, NULL);
	ck_assert_int_eq(copatch_joinall(task, 8, -1), 8);
	ck_assert_int_eq(sum, 4 * (EACH / 100) * (99 * 100 / 2));
	ck_assert_uint_eq(copatch_queue_length(queue), 0);
	/* Those who are killed while they wait leave the queue whole. */
	for (int i = 0; i < 4; i++)
		task[i] = spawned(gets_for_ever, NULL);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(copatch_queue_put(queue, V(i), -1), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(copatch_kill(task[i], -1), 0);
	while (copatch_queue_get(queue, NULL, 0) == 0)
		;
	ck_assert_int_eq(copatch_queue_put(queue, V(1), 0), 0);
	ck_assert_int_eq(copatch_queue_get(queue, NULL, 0), 0);
	copatch_queue_free(queue);
}
END_TEST

static void *switches_and_waits(void *arg)
{
	pthread_cleanup_push(clean, V(1));
	copatch_sleep(60000);
	pthread_cleanup_pop(0);
	return arg;
}

static void *has_a_greenlet(void *arg)
{
	pthread_cleanup_push(clean, V(10));
	(void)!copatch_switch(copatch_greenlet_new(switches_and_waits), arg, NULL);
	clean(V(100));
	pthread_cleanup_pop(0);
	return arg;
}

/* A task that is killed in a greenlet: that is unwound, and then its parent. */
START_TEST(kill_within_a_greenlet)
{
	struct copatch_task *task = spawned(has_a_greenlet, NULL);

	copatch_sleep(50);
	ck_assert_int_eq(copatch_kill(task, -1), 0);
	ck_assert_int_eq(copatch_join(task, -1, NULL), -ECANCELED);
	ck_assert_int_eq(cleaned, 11);
	copatch_task_free(task);
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("api_task", 30, begin);

	tcase_add_test(tests, values);
	tcase_add_test(tests, join_in_time);
	tcase_add_test(tests, many_joiners);
	tcase_add_test(tests, joinall_in_time);
	tcase_add_test(tests, kill_while_blocked);
	tcase_add_test(tests, other_ends);
	tcase_add_test(tests, join_waits_for_destructors);
	tcase_add_test(tests, sleep_is_exact);
	tcase_add_test(tests, scope_in_time);
	tcase_add_test(tests, scope_too_late);
	tcase_add_test(tests, scopes_in_one_another);
	tcase_add_test(tests, kill_of_a_scope);
	tcase_add_test(tests, pool_is_bounded);
	tcase_add_test(tests, pool_edges);
	tcase_add_test(tests, queue_order);
	tcase_add_test(tests, queue_under_load);
	tcase_add_test(tests, kill_within_a_greenlet);
	return unit_end();
}
