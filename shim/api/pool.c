/* SPDX-License-Identifier: MIT */
/* Pools: so many tasks at a time, and all of them waited for or killed together. */
#include <stdlib.h>

#include "../copatch.h"
#include "task.h"

struct copatch_pool {
	pthread_mutex_t lock; /* before a task's */
	pthread_cond_t left;
	size_t size, running;
	struct list tasks;
};

struct copatch_pool *copatch_pool_new(size_t size)
{
	struct copatch_pool *pool;
	int err;

	if (!size) {
		errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	err = cond_init(&pool->left);
	if (err) {
		free(pool);
		errno = -err;
		return NULL;
	}
	pthread_mutex_init(&pool->lock, NULL);
	pool->size = size;
	list_init(&pool->tasks);
	return pool;
}

/* One lock over both, so that a task that has ended and one that has left are the same. */
void pool_leave_begin(struct copatch_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
}

void pool_leave_end(struct copatch_pool *pool, struct copatch_task *task)
{
	list_del(&task->in_pool);
	pool->running--;
	pthread_cond_broadcast(&pool->left);
	pthread_mutex_unlock(&pool->lock);
}

int copatch_pool_spawn(struct copatch_pool *pool, void *(*function)(void *arg), void *arg,
		       long timeout, struct copatch_task **task)
{
	struct copatch_task *made;
	struct deadline d;
	int err;

	if (!pool || !function)
		return -EINVAL;
	deadline_set(&d, timeout);
	LOCKED(&pool->lock);

	while (pool->running == pool->size)
		if (cond_wait(&pool->left, &pool->lock, &d) == -ETIMEDOUT &&
		    pool->running == pool->size)
			return -ETIMEDOUT;
	err = task_create(function, arg, pool, &made);
	if (err)
		return err;
	pool->running++;
	list_add_tail(&pool->tasks, &made->in_pool);
	if (task)
		*task = made;
	else
		copatch_task_free(made);
	return 0;
}

static bool within(const struct copatch_pool *pool)
{
	return copatch_self() && copatch_self()->pool == pool;
}

static int wait_empty(struct copatch_pool *pool, long timeout, bool kill)
{
	struct deadline d;

	if (!pool)
		return -EINVAL;
	if (within(pool))
		return -EDEADLK;
	deadline_set(&d, timeout);
	LOCKED(&pool->lock);

	if (kill)
		list_for_each (l, &pool->tasks)
			task_cancel(container_of(l, struct copatch_task, in_pool));
	while (pool->running)
		if (cond_wait(&pool->left, &pool->lock, &d) == -ETIMEDOUT && pool->running)
			return -ETIMEDOUT;
	return 0;
}

int copatch_pool_join(struct copatch_pool *pool, long timeout)
{
	return wait_empty(pool, timeout, false);
}

int copatch_pool_kill(struct copatch_pool *pool, long timeout)
{
	return wait_empty(pool, timeout, true);
}

int copatch_pool_free(struct copatch_pool *pool)
{
	if (!pool)
		return 0;
	pthread_mutex_lock(&pool->lock);
	if (pool->running) {
		pthread_mutex_unlock(&pool->lock);
		return -EBUSY;
	}
	pthread_mutex_unlock(&pool->lock);
	pthread_cond_destroy(&pool->left);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return 0;
}
