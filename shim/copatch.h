/* SPDX-License-Identifier: MIT */
/*
 * Coroutines for programs that want them by name: generators, greenlets and tasks. See
 * copatch(3). Functions return 0 or a negative errno value unless something else is said;
 * those that return a pointer return NULL and set errno. Times are in milliseconds: 0 does not
 * wait, a negative one waits for ever.
 */
#ifndef COPATCH_H
#define COPATCH_H

#include <stddef.h>

#ifdef __GNUC__
#define COPATCH_MUST_CHECK __attribute__((__warn_unused_result__))
#define COPATCH_NORETURN   __attribute__((__noreturn__))
#else
#define COPATCH_MUST_CHECK
#define COPATCH_NORETURN
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif
#ifdef __cplusplus
extern "C" {
#endif

/*
 * Patching: from here on every thread of this process is a coroutine, as under LD_PRELOAD,
 * where this does nothing.
 */
int copatch_patch_all(void) COPATCH_MUST_CHECK;

/* Bytes of the stack of each generator and greenlet that begins from now on. */
int copatch_stack_size(size_t bytes) COPATCH_MUST_CHECK;

/* Generators: a function that hands over one value after another, each when it is asked for. */
struct copatch_generator;

struct copatch_generator *copatch_generator_new(void (*function)(void *arg),
						void *arg) COPATCH_MUST_CHECK;
/* Runs on to the next yield: 1 and its value; 0 at the end. */
int copatch_next(struct copatch_generator *generator, void **value) COPATCH_MUST_CHECK;
/* In a generator, at any depth of calls: hands over a value and waits to be asked again. */
int copatch_yield(void *value);
/* Unwinds the generator if it has not ended. */
int copatch_generator_free(struct copatch_generator *generator);

/* Greenlets: stacks within one thread that switch to one another, by the rules of Python's. */
struct copatch_greenlet;

/* `function` gets the value of the first switch; what it returns goes to the parent. */
struct copatch_greenlet *copatch_greenlet_new(void *(*function)(void *value)) COPATCH_MUST_CHECK;
struct copatch_greenlet *copatch_greenlet_current(void) COPATCH_MUST_CHECK;
/* Comes back when somebody switches here, with the value that was sent; `received` may be NULL. */
int copatch_switch(struct copatch_greenlet *to, void *value, void **received);
/* NULL for the main greenlet of a thread. */
struct copatch_greenlet *copatch_greenlet_parent(const struct copatch_greenlet *greenlet);
int copatch_greenlet_set_parent(struct copatch_greenlet *greenlet,
				struct copatch_greenlet *parent) COPATCH_MUST_CHECK;
int copatch_greenlet_dead(const struct copatch_greenlet *greenlet);
/* Unwinds it: destructors and clean-up handlers run. Comes back here. */
int copatch_greenlet_kill(struct copatch_greenlet *greenlet);
/* Kills it if it is not dead, and gives the handle up. */
int copatch_greenlet_free(struct copatch_greenlet *greenlet);

/* Tasks: a thread as pthread_create makes it, so a coroutine where the program is patched. */
struct copatch_task;

struct copatch_task *copatch_spawn(void *(*function)(void *arg), void *arg) COPATCH_MUST_CHECK;
/* The running task, NULL in any other thread. */
struct copatch_task *copatch_self(void);
int copatch_join(struct copatch_task *task, long timeout, void **value);
/* How many of them have ended. */
long copatch_joinall(struct copatch_task *const *tasks, size_t n, long timeout);
int copatch_task_ended(struct copatch_task *task);
/* Cancels the task and waits for its end. */
int copatch_kill(struct copatch_task *task, long timeout);
/* Ends the running task; `error`, an errno value, is what its joiners get. */
void copatch_fail(int error) COPATCH_NORETURN;
/* Gives the handle up; the task itself goes on. */
void copatch_task_free(struct copatch_task *task);
int copatch_sleep(long ms);
/* Runs a function that must have ended in time, else it is unwound: -ETIMEDOUT. */
int copatch_with_timeout(long timeout, void *(*function)(void *arg), void *arg, void **value);

/* Pools: no more than so many tasks at a time. */
struct copatch_pool;

struct copatch_pool *copatch_pool_new(size_t size) COPATCH_MUST_CHECK;
/* Waits for a place. `task` may be NULL: no handle is wanted. */
int copatch_pool_spawn(struct copatch_pool *pool, void *(*function)(void *arg), void *arg,
		       long timeout, struct copatch_task **task) COPATCH_MUST_CHECK;
int copatch_pool_join(struct copatch_pool *pool, long timeout);
int copatch_pool_kill(struct copatch_pool *pool, long timeout);
int copatch_pool_free(struct copatch_pool *pool);

/* Queues: first in, first out, between any threads and tasks; room 0 is without limit. */
struct copatch_queue;

struct copatch_queue *copatch_queue_new(size_t room) COPATCH_MUST_CHECK;
int copatch_queue_put(struct copatch_queue *queue, void *item, long timeout) COPATCH_MUST_CHECK;
int copatch_queue_get(struct copatch_queue *queue, void **item, long timeout) COPATCH_MUST_CHECK;
size_t copatch_queue_length(struct copatch_queue *queue);
void copatch_queue_free(struct copatch_queue *queue);

#ifdef __cplusplus
}
#endif
#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#endif
