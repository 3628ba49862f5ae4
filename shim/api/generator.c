/* SPDX-License-Identifier: MIT */
/* Generators: a stack on top of whichever greenlet asks for the next value. */
#include <errno.h>
#include <stdlib.h>

#include "../copatch.h"
#include "context.h"

struct copatch_generator {
	struct context own;
	struct context *consumer; /* who asked; NULL while nobody does */
	struct api_thread *thread;
	void (*function)(void *arg);
	void *arg;
	enum { GENERATOR_NEW, GENERATOR_ALIVE, GENERATOR_ENDED } state;
	struct list link;
};

static void *run(struct context *c, void *value)
{
	struct copatch_generator *gen = container_of(c, struct copatch_generator, own);

	(void)value;
	gen->function(gen->arg);
	return NULL;
}

static void end(struct copatch_generator *gen)
{
	gen->state = GENERATOR_ENDED;
	list_del(&gen->link);
}

static _Noreturn void ended(struct context *c, void *value, bool unwound)
{
	struct copatch_generator *gen = container_of(c, struct copatch_generator, own);
	struct context *consumer = gen->consumer;

	(void)value;
	end(gen);
	gen->consumer = NULL;
	/* Not dropped, but its greenlet killed or its thread cancelled: so is who asked. */
	context_leave(gen->thread, gen->thread->greenlet, consumer, 0, unwound && !c->dying, NULL);
}

struct copatch_generator *copatch_generator_new(void (*function)(void *arg), void *arg)
{
	struct api_thread *th = api_thread();
	struct copatch_generator *gen = NULL;

	if (!function) {
		errno = EINVAL;
		return NULL;
	}
	if (th)
		gen = calloc(1, sizeof(*gen));
	if (!gen) {
		errno = ENOMEM;
		return NULL;
	}
	gen->own.run = run;
	gen->own.ended = ended;
	gen->thread = th;
	gen->function = function;
	gen->arg = arg;
	list_add_tail(&th->generators, &gen->link);
	return gen;
}

int copatch_next(struct copatch_generator *gen, void **value)
{
	struct api_thread *th = api_own;

	if (!gen)
		return -EINVAL;
	if (gen->state == GENERATOR_ENDED)
		return 0;
	if (gen->thread != th)
		return -EPERM;
	if (gen->consumer)
		return -EBUSY;
	if (gen->state == GENERATOR_NEW) {
		int err = context_prepare(th, &gen->own);

		if (err)
			return err;
		gen->state = GENERATOR_ALIVE;
	}
	gen->consumer = th->context;
	return context_switch(th, th->greenlet, &gen->own, value, 0);
}

int copatch_yield(void *value)
{
	struct api_thread *th = api_own;
	struct copatch_generator *gen;
	struct context *consumer;

	if (!th || th->context->ended != ended)
		return -EPERM;
	if (th->context->unwinds)
		return -ECANCELED;
	gen = container_of(th->context, struct copatch_generator, own);
	consumer = gen->consumer;
	gen->consumer = NULL;
	context_send(consumer, value);
	return context_switch(th, th->greenlet, consumer, NULL, 1);
}

/* A yield while it is unwound is refused: so it has ended when this returns. */
static void drop(struct api_thread *th, struct copatch_generator *gen)
{
	if (gen->state == GENERATOR_NEW) {
		end(gen);
		return;
	}
	gen->own.dying = true;
	gen->consumer = th->context;
	context_switch_unwind(th, th->greenlet, &gen->own);
}

int copatch_generator_free(struct copatch_generator *gen)
{
	if (!gen)
		return 0;
	if (gen->state != GENERATOR_ENDED) {
		if (gen->thread != api_own)
			return -EPERM;
		if (gen->consumer)
			return -EBUSY;
		drop(api_own, gen);
	}
	free(gen);
	return 0;
}

void generators_end(struct api_thread *th)
{
	while (!list_empty(&th->generators)) {
		struct copatch_generator *gen =
			container_of(th->generators.next, struct copatch_generator, link);

		/* In use by a greenlet that would not be unwound: left with it. */
		if (gen->consumer)
			end(gen);
		else
			drop(th, gen);
	}
}
