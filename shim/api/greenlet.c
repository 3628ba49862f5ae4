/* SPDX-License-Identifier: MIT */
/* Greenlets: who may switch to whom, who comes next at an end, and how one is killed. */
#include <errno.h>
#include <stdlib.h>

#include "../copatch.h"
#include "context.h"

static struct copatch_greenlet *ref(struct copatch_greenlet *g)
{
	if (!greenlet_is_main(g))
		__atomic_add_fetch(&g->refs, 1, __ATOMIC_RELAXED);
	return g;
}

static void die(struct copatch_greenlet *g)
{
	g->state = GREENLET_DEAD;
	list_del(&g->link);
}

static int start(struct api_thread *th, struct copatch_greenlet *g)
{
	int err = context_prepare(th, &g->own);

	if (err)
		return err;
	g->state = GREENLET_ALIVE;
	ref(g);
	return 0;
}

static void *run(struct context *c, void *value)
{
	return container_of(c, struct copatch_greenlet, own)->function(value);
}

/* The nearest living ancestor; in need it begins. One that has not begun cannot be unwound. */
static struct copatch_greenlet *heir(struct api_thread *th, const struct copatch_greenlet *g,
				     bool unwound)
{
	struct copatch_greenlet *p = g->parent;

	while (p->state == GREENLET_DEAD || (p->state == GREENLET_NEW && (unwound || start(th, p))))
		p = p->parent;
	return p;
}

/*
 * The end. Where nobody killed it but it was unwound all the same, the thread was cancelled
 * or called pthread_exit: the unwinding goes on in the parent.
 */
static _Noreturn void ended(struct context *c, void *value, bool unwound)
{
	struct copatch_greenlet *g = container_of(c, struct copatch_greenlet, own);
	struct api_thread *th = g->thread;
	struct copatch_greenlet *next;

	unwound = unwound && !c->dying;
	die(g);
	next = heir(th, g, unwound);
	context_send(next->innermost, c->dying ? NULL : value);
	context_leave(th, next, next->innermost, 0, unwound, g);
}

struct copatch_greenlet *copatch_greenlet_new(void *(*function)(void *value))
{
	struct api_thread *th = api_thread();
	struct copatch_greenlet *g = NULL;

	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	if (th)
		g = calloc(1, sizeof(*g));
	if (!g) {
		errno = ENOMEM;
		return NULL;
	}
	g->own.run = run;
	g->own.ended = ended;
	g->innermost = &g->own;
	g->thread = th;
	g->parent = ref(th->greenlet);
	g->function = function;
	g->refs = 1;
	list_add_tail(&th->greenlets, &g->link);
	return g;
}

struct copatch_greenlet *copatch_greenlet_current(void)
{
	struct api_thread *th = api_thread();

	if (!th)
		errno = ENOMEM;
	return th ? th->greenlet : NULL;
}

int copatch_switch(struct copatch_greenlet *to, void *value, void **received)
{
	struct api_thread *th = api_thread();
	int err = 0;

	if (!to)
		return -EINVAL;
	if (!th)
		return -ENOMEM;
	if (to->thread != th)
		return -EPERM;
	if (to->state == GREENLET_DEAD)
		return -ESRCH;
	if (to->state == GREENLET_NEW)
		err = start(th, to);
	if (err)
		return err;
	if (to == th->greenlet) {
		if (received)
			*received = value;
		return 0;
	}
	context_send(to->innermost, value);
	return context_switch(th, to, to->innermost, received, 0);
}

struct copatch_greenlet *copatch_greenlet_parent(const struct copatch_greenlet *g)
{
	return g ? g->parent : NULL;
}

int copatch_greenlet_set_parent(struct copatch_greenlet *g, struct copatch_greenlet *parent)
{
	if (!g || !parent || greenlet_is_main(g))
		return -EINVAL;
	if (!api_own || g->thread != api_own || parent->thread != api_own)
		return -EPERM;
	for (const struct copatch_greenlet *p = parent; p; p = p->parent)
		if (p == g)
			return -ELOOP;
	ref(parent);
	greenlet_unref(g->parent);
	g->parent = parent;
	return 0;
}

int copatch_greenlet_dead(const struct copatch_greenlet *g)
{
	return !g || g->state == GREENLET_DEAD;
}

/* Control comes back here at its end: the killer is its parent meanwhile. */
static int kill_other(struct api_thread *th, struct copatch_greenlet *g)
{
	struct copatch_greenlet *parent = g->parent;

	g->parent = ref(th->greenlet);
	if (g->own.dying) {
		/* It switched away while it was unwound, and goes on with that. */
		context_send(g->innermost, NULL);
		context_switch(th, g, g->innermost, NULL, 0);
	} else {
		g->own.dying = true;
		context_switch_unwind(th, g, g->innermost);
	}
	greenlet_unref(g->parent);
	g->parent = parent;
	return g->state == GREENLET_DEAD ? 0 : -EBUSY;
}

int copatch_greenlet_kill(struct copatch_greenlet *g)
{
	struct api_thread *th = api_thread();
	int err;

	if (!g || (greenlet_is_main(g) && g->state != GREENLET_DEAD))
		return -EINVAL;
	if (!th)
		return -ENOMEM;
	if (g->state == GREENLET_DEAD)
		return 0;
	if (g->thread != th)
		return -EPERM;
	if (g->state == GREENLET_NEW) {
		die(g);
		return 0;
	}
	if (g == th->greenlet) {
		g->own.dying = true;
		context_unwind();
	}
	ref(g);
	err = kill_other(th, g);
	greenlet_unref(g);
	return err;
}

int copatch_greenlet_free(struct copatch_greenlet *g)
{
	if (!g)
		return 0;
	if (greenlet_is_main(g))
		return -EINVAL;
	if (g->state != GREENLET_DEAD && g->thread != api_own)
		return -EPERM;
	if (g->state != GREENLET_DEAD && g != api_own->greenlet)
		(void)copatch_greenlet_kill(g); /* what will not die goes on without a handle */
	greenlet_unref(g);
	return 0;
}

void greenlets_end(struct api_thread *th)
{
	while (!list_empty(&th->greenlets)) {
		struct copatch_greenlet *g =
			container_of(th->greenlets.next, struct copatch_greenlet, link);

		/* One that would not be unwound is left as it is, and its stack with it. */
		if (copatch_greenlet_kill(g))
			die(g);
	}
}
