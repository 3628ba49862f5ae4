/* SPDX-License-Identifier: MIT */
/* A thread's record, from its first greenlet or generator to its end. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"

__thread struct api_thread *api_own;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int no_key;
static struct api_thread *unused; /* taken and put back as a whole: no lock for fork to find held */

static void put_back(struct api_thread *first)
{
	struct api_thread *last = first;

	if (!first)
		return;
	while (last->next_free)
		last = last->next_free;
	last->next_free = __atomic_load_n(&unused, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&unused, &last->next_free, first, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

/*
 * Destructors of the program's may come after this one, and may use greenlets again: then there
 * is a new record, and another round.
 */
static void thread_ends(void *arg)
{
	struct api_thread *th = arg;

	greenlets_end(th);
	generators_end(th);
	stack_cache_empty(th);
	th->main.state = GREENLET_DEAD;
	api_own = NULL;
	th->next_free = NULL;
	put_back(th);
}

static void make_key(void)
{
	no_key = pthread_key_create(&key, thread_ends);
}

static struct api_thread *take(void)
{
	struct api_thread *th = __atomic_exchange_n(&unused, NULL, __ATOMIC_ACQUIRE);

	if (!th)
		return malloc(sizeof(*th));
	put_back(th->next_free);
	return th;
}

struct api_thread *api_thread(void)
{
	struct api_thread *th = api_own;

	if (th)
		return th;
	pthread_once(&once, make_key);
	if (no_key)
		return NULL;
	th = take();
	if (!th)
		return NULL;
	memset(th, 0, sizeof(*th));
	th->error = &errno;
	context_thread_init(th);
	th->cxa = cxa_find();
	list_init(&th->greenlets);
	list_init(&th->generators);
	th->main.state = GREENLET_ALIVE;
	th->main.thread = th;
	th->main.innermost = &th->main.own;
	th->greenlet = &th->main;
	th->context = &th->main.own;
	if (pthread_setspecific(key, th)) {
		put_back(th);
		return NULL;
	}
	return api_own = th;
}
