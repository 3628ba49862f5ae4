/* SPDX-License-Identifier: MIT */
/*
 * A timeout scope: a function that must have ended in time. It runs as a task of its own, for
 * whose end the caller waits. So its end is a cancellation like any other: whatever blocks is
 * interrupted, everything up to the scope is unwound, and nothing beyond; the same natively.
 */
#include "../copatch.h"
#include "task.h"

/* Where the caller is killed while it waits, so is what it waits for, before its own frames go. */
static void abandon(struct copatch_task **scope)
{
	if (!*scope)
		return;
	(void)copatch_kill(*scope, -1);
	copatch_task_free(*scope);
}

int copatch_with_timeout(long timeout, void *(*function)(void *arg), void *arg, void **value)
{
	struct copatch_task *task __attribute__((cleanup(abandon))) = NULL;
	struct deadline d;
	bool late;
	int err;

	if (!function)
		return -EINVAL;
	deadline_set(&d, timeout);
	err = task_create(function, arg, NULL, &task);
	if (err)
		return err;
	late = task_wait(task, &d) != 0;
	if (late)
		(void)copatch_kill(task, -1);
	/* It may have returned all the same, or have failed in a way of its own. */
	if (late && task->error == ECANCELED)
		return -ETIMEDOUT;
	if (value && !task->error)
		*value = task->value;
	return -task->error;
}
