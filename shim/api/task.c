/* SPDX-License-Identifier: MIT */
/*
 * Tasks: threads of libc's with a handle that many may wait for. Killing is cancellation, which
 * libc's cancellation points and ours honour; destructors and clean-up handlers run.
 */
#include "task.h"

#include <stdlib.h>

#include "../copatch.h"

static __thread struct copatch_task *own __attribute__((tls_model("initial-exec")));

static void unref(struct copatch_task *task)
{
	if (__atomic_sub_fetch(&task->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_cond_destroy(&task->changed);
	pthread_mutex_destroy(&task->lock);
	free(task);
}

/* At the task's end, be that a return or an unwinding. */
static void finish(struct copatch_task **at_end)
{
	struct copatch_task *task = *at_end;
	struct copatch_pool *pool = task->pool;

	own = NULL;
	if (pool)
		pool_leave_begin(pool);
	pthread_mutex_lock(&task->lock);
	task->ended = true;
	pthread_cond_broadcast(&task->changed);
	pthread_mutex_unlock(&task->lock);
	if (pool)
		pool_leave_end(pool, task);
	unref(task);
}

static void *begin(void *arg)
{
	struct copatch_task *task __attribute__((cleanup(finish))) = arg;

	own = task;
	task->error = ECANCELED; /* as long as it has not returned */
	pthread_testcancel();
	task->value = task->function(task->arg);
	task->error = 0;
	return NULL;
}

int task_create(void *(*function)(void *), void *arg, struct copatch_pool *pool,
		struct copatch_task **result)
{
	struct copatch_task *task = calloc(1, sizeof(*task));
	int err;

	if (!task)
		return -ENOMEM;
	err = cond_init(&task->changed);
	if (err) {
		free(task);
		return err;
	}
	pthread_mutex_init(&task->lock, NULL);
	task->function = function;
	task->arg = arg;
	task->pool = pool;
	list_init(&task->in_pool);
	task->refs = 2;
	err = pthread_create(&task->thread, NULL, begin, task);
	if (err) {
		task->refs = 1;
		unref(task);
		return -err;
	}
	*result = task;
	return 0;
}

struct copatch_task *copatch_spawn(void *(*function)(void *arg), void *arg)
{
	struct copatch_task *task = NULL;
	int err = function ? task_create(function, arg, NULL, &task) : -EINVAL;

	if (err)
		errno = -err;
	return task;
}

struct copatch_task *copatch_self(void)
{
	return own;
}

/*
 * It has ended: of those who wait the first joins the thread, so that nothing of it is left when
 * they go on, thread-local destructors included. With `lock` held.
 */
static void join_thread(struct copatch_task *task, const struct deadline *for_ever)
{
	int state;

	while (task->thread_is == THREAD_BEING_JOINED)
		cond_wait(&task->changed, &task->lock, for_ever);
	if (task->thread_is == THREAD_GONE)
		return;
	task->thread_is = THREAD_BEING_JOINED;
	pthread_mutex_unlock(&task->lock);
	/* Whoever is killed here would leave the others waiting. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_join(task->thread, NULL);
	pthread_setcancelstate(state, NULL);
	pthread_mutex_lock(&task->lock);
	task->thread_is = THREAD_GONE;
	pthread_cond_broadcast(&task->changed);
}

int task_wait(struct copatch_task *task, const struct deadline *d)
{
	static const struct deadline for_ever;
	LOCKED(&task->lock);

	while (!task->ended)
		if (cond_wait(&task->changed, &task->lock, d) == -ETIMEDOUT && !task->ended)
			return -ETIMEDOUT;
	join_thread(task, &for_ever);
	return 0;
}

int copatch_join(struct copatch_task *task, long timeout, void **value)
{
	struct deadline d;
	int err;

	if (!task)
		return -EINVAL;
	if (task == own)
		return -EDEADLK;
	deadline_set(&d, timeout);
	err = task_wait(task, &d);
	if (err)
		return err;
	if (value && !task->error)
		*value = task->value;
	return -task->error;
}

long copatch_joinall(struct copatch_task *const *tasks, size_t n, long timeout)
{
	struct deadline d;
	long ended = 0;

	for (size_t i = 0; i < n; i++) {
		if (!tasks || !tasks[i])
			return -EINVAL;
		if (tasks[i] == own)
			return -EDEADLK;
	}
	deadline_set(&d, timeout);
	for (size_t i = 0; i < n; i++)
		ended += !task_wait(tasks[i], &d);
	return ended;
}

int copatch_task_ended(struct copatch_task *task)
{
	if (!task)
		return 1;
	LOCKED(&task->lock);

	return task->ended;
}

/* A thread that has ended is there to be cancelled up to its join, which waits for `ended`. */
void task_cancel(struct copatch_task *task)
{
	LOCKED(&task->lock);

	if (!task->ended)
		pthread_cancel(task->thread);
}

int copatch_kill(struct copatch_task *task, long timeout)
{
	struct deadline d;

	if (!task)
		return -EINVAL;
	if (task == own)
		copatch_fail(ECANCELED);
	deadline_set(&d, timeout);
	task_cancel(task);
	return task_wait(task, &d);
}

void copatch_fail(int error)
{
	if (own)
		own->error = error;
	pthread_exit(NULL);
}

void copatch_task_free(struct copatch_task *task)
{
	if (!task)
		return;
	pthread_mutex_lock(&task->lock);
	if (task->thread_is == THREAD_THERE)
		pthread_detach(task->thread);
	pthread_mutex_unlock(&task->lock);
	unref(task);
}

int copatch_sleep(long ms)
{
	struct deadline d;
	struct timespec year = {31536000, 0};

	deadline_set(&d, ms);
	while (!d.at)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &year, NULL);
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, d.at, NULL) == EINTR)
		;
	return 0;
}
