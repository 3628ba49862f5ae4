/* SPDX-License-Identifier: MIT */
/* Tasks, as pools see them. */
#ifndef COPATCH_TASK_H
#define COPATCH_TASK_H

#include <pthread.h>
#include <stdbool.h>

#include "../../scheduler/list.h"
#include "wait.h"

struct copatch_pool;

struct copatch_task {
	void *(*function)(void *arg);
	void *arg;
	struct copatch_pool *pool; /* NULL: none */
	struct list in_pool;
	pthread_t thread;

	pthread_mutex_t lock;   /* for what follows; taken after a pool's */
	pthread_cond_t changed; /* `ended` or `thread_is` */
	void *value;
	int error;
	bool ended;
	enum { THREAD_THERE, THREAD_BEING_JOINED, THREAD_GONE } thread_is;
	unsigned refs; /* the handle, the thread */
};

/* -EAGAIN or -ENOMEM: no thread could be made. */
int task_create(void *(*function)(void *), void *arg, struct copatch_pool *pool,
		struct copatch_task **task) __attribute__((warn_unused_result));
/* 0 when it has ended, else -ETIMEDOUT. */
int task_wait(struct copatch_task *task, const struct deadline *d)
	__attribute__((warn_unused_result));
/* Only asks. */
void task_cancel(struct copatch_task *task);

/* pool.c: around the moment at which a task of the pool counts as ended. */
void pool_leave_begin(struct copatch_pool *pool);
void pool_leave_end(struct copatch_pool *pool, struct copatch_task *task);

#endif
