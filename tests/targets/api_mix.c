/* SPDX-License-Identifier: MIT */
/* Threads, greenlets, generators and tasks in one program, blocking in one another. */
#include "../helpers.h"

#include <copatch.h>

#define THREADS 8
#define ROUNDS  200

struct pair {
	int to[2], from[2];
	long sum;
	struct copatch_greenlet *writer, *reader;
};

static void numbers(void *arg)
{
	for (long i = 1; i <= *(long *)arg; i++)
		copatch_yield((void *)i);
}

static __thread struct pair *here;

/* Sends what a generator says, a byte at a time, and switches to the one that waits for answers. */
static void *writes(void *value)
{
	struct pair *p = here;
	long n = ROUNDS;
	struct copatch_generator *gen = copatch_generator_new(numbers, &n);
	void *number;

	while (copatch_next(gen, &number) == 1) {
		unsigned char byte = (unsigned char)(uintptr_t)number;

		T_OK(write(p->to[1], &byte, 1));
		if (copatch_switch(p->reader, value, &value))
			break;
	}
	copatch_generator_free(gen);
	close(p->to[1]);
	return NULL;
}

static void *reads(void *value)
{
	struct pair *p = here;
	unsigned char byte;

	/* Blocks the whole thread, greenlets and all, but no other thread. */
	while (T_OK(read(p->from[0], &byte, 1)) == 1) {
		p->sum += byte;
		copatch_switch(p->writer, value, &value);
	}
	return NULL;
}

static void *has_greenlets(void *arg)
{
	here = arg;
	here->writer = copatch_greenlet_new(writes);
	here->reader = copatch_greenlet_new(reads);
	copatch_switch(here->writer, NULL, NULL);
	copatch_switch(here->reader, NULL, NULL);
	copatch_greenlet_free(here->writer);
	copatch_greenlet_free(here->reader);
	return here;
}

static void *echoes(void *arg)
{
	struct pair *p = arg;
	unsigned char byte;

	while (T_OK(read(p->to[0], &byte, 1)) == 1)
		T_OK(write(p->from[1], &byte, 1));
	close(p->from[1]);
	return arg;
}

static void greenlets_in_threads(void)
{
	struct pair pairs[THREADS] = {0};
	pthread_t thread[THREADS];
	struct copatch_task *task[THREADS];
	long sum = 0;

	for (int i = 0; i < THREADS; i++) {
		T_OK(pipe(pairs[i].to));
		T_OK(pipe(pairs[i].from));
		thread[i] = t_thread(has_greenlets, &pairs[i]);
		task[i] = copatch_spawn(echoes, &pairs[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		t_join(thread[i]);
		sum += pairs[i].sum;
	}
	t_check("all tasks end", copatch_joinall(task, THREADS, 10000) == THREADS);
	for (int i = 0; i < THREADS; i++)
		copatch_task_free(task[i]);
	t_say("sum %ld", sum);
}

static struct copatch_queue *work, *results;

static void *squares(void *arg)
{
	void *item;

	for (;;) {
		if (copatch_queue_get(work, &item, -1) || !item)
			return arg;
		T_ZERO(-copatch_queue_put(results, (void *)((intptr_t)item * (intptr_t)item), -1));
	}
}

/* A thread feeds tasks of a pool, main takes what they make. */
static void *feeds(void *arg)
{
	for (intptr_t i = 1; i <= 5000; i++)
		T_ZERO(-copatch_queue_put(work, (void *)i, -1));
	for (int i = 0; i < 4; i++)
		T_ZERO(-copatch_queue_put(work, NULL, -1));
	return arg;
}

static void queues_and_pools(void)
{
	struct copatch_pool *pool = copatch_pool_new(4);
	pthread_t thread;
	long sum = 0;

	work = copatch_queue_new(10);
	results = copatch_queue_new(10);
	thread = t_thread(feeds, NULL);
	for (int i = 0; i < 4; i++)
		T_ZERO(-copatch_pool_spawn(pool, squares, NULL, -1, NULL));
	for (int i = 1; i <= 5000; i++) {
		void *item = NULL;

		T_ZERO(-copatch_queue_get(results, &item, 10000));
		sum += (intptr_t)item;
	}
	t_join(thread);
	t_check("the pool empties", copatch_pool_join(pool, 10000) == 0);
	t_check("and goes", copatch_pool_free(pool) == 0);
	copatch_queue_free(work);
	copatch_queue_free(results);
	t_say("squares %ld", sum);
}

static void *naps(void *arg)
{
	copatch_sleep(200);
	return arg;
}

/* Tasks sleep side by side. */
static void side_by_side(void)
{
	struct copatch_task *task[100];
	int64_t since = t_now_ms();

	for (int i = 0; i < 100; i++)
		task[i] = copatch_spawn(naps, NULL);
	t_check("a hundred naps", copatch_joinall(task, 100, -1) == 100);
	t_check("in the time of one", t_took(since, 200));
	for (int i = 0; i < 100; i++)
		copatch_task_free(task[i]);
}

static void *wrong(void *arg)
{
	struct copatch_greenlet *of_main = arg;

	t_check("another thread's", copatch_switch(of_main, NULL, NULL) == -EPERM);
	return copatch_greenlet_current();
}

static void *ends(void *value)
{
	return value;
}

static void wrong_switches(void)
{
	struct copatch_greenlet *g = copatch_greenlet_new(ends);
	struct copatch_greenlet *theirs = t_join(t_thread(wrong, g));
	void *got = NULL;

	t_check("its thread has ended", copatch_switch(theirs, NULL, NULL) == -EPERM);
	t_check("right", copatch_switch(g, &got, &got) == 0 && got == &got);
	t_check("dead", copatch_switch(g, NULL, NULL) == -ESRCH);
	copatch_greenlet_free(g);
}

static void *in_child(void *value)
{
	if (fork() == 0) {
		copatch_switch(copatch_greenlet_parent(copatch_greenlet_current()), "child", NULL);
		_exit(3);
	}
	copatch_switch(copatch_greenlet_parent(copatch_greenlet_current()), "parent", NULL);
	return value;
}

/* Both go on where they are. */
static void forks(void)
{
	struct copatch_greenlet *g = copatch_greenlet_new(in_child);
	void *who = NULL;

	copatch_switch(g, NULL, &who);
	if (!strcmp(who, "child")) {
		struct copatch_task *task = copatch_spawn(ends, "task");
		void *value = "";

		if (copatch_join(task, -1, &value) || strcmp(value, "task"))
			_exit(1);
		copatch_switch(g, NULL, NULL); /* to its exit */
	}
	t_check("the child's", t_reap(-1) == 3);
	copatch_greenlet_free(g);
}

int main(void)
{
	greenlets_in_threads();
	queues_and_pools();
	side_by_side();
	wrong_switches();
	forks();
	return t_done();
}
