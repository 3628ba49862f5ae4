/* SPDX-License-Identifier: MIT */
/*
 * A stack of its own within a thread, and switching between such stacks. All of this is
 * ordinary program code: it knows nothing of the scheduler, and works without it.
 *
 * A thread has a main greenlet and others; of all of them one is current. A greenlet that runs a
 * generator stands on the generator's stack: its innermost context. What is switched to is
 * always the innermost one.
 */
#ifndef COPATCH_CONTEXT_H
#define COPATCH_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <unwind.h>

#include "../../scheduler/list.h"

struct copatch_greenlet;
struct api_thread;

/* What the C++ ABI calls __cxa_eh_globals: exceptions being handled, and those under way. */
struct cxa_globals {
	void *caught;
	uint64_t uncaught;
};

struct stack {
	char *base; /* NULL: none; the guard comes first */
	size_t size;
};

struct context {
	void *sp;
	void **received; /* where a value goes that is sent to it; NULL: nowhere */

	/* What belongs to the thread while it runs here, and is kept here otherwise. */
	void *cleanup;          /* the innermost clean-up handler of pthreads */
	uintptr_t unwinding[2]; /* where the thread's forced unwinding has to stop, and how */
	struct cxa_globals cxa;
	int error; /* errno */

	bool unwinds; /* it is being taken down */
	bool dying;   /* and that ends with it, not with the thread */
	void *first;  /* the value that it begins with */
	struct stack stack;
	void *(*run)(struct context *c, void *value); /* what is on it; its result goes to: */
	void (*ended)(struct context *c, void *value, bool unwound); /* does not return */
};

struct copatch_greenlet {
	struct context own;
	struct context *innermost;
	enum { GREENLET_NEW, GREENLET_ALIVE, GREENLET_DEAD } state;
	struct api_thread *thread;
	struct copatch_greenlet *parent; /* counted in its `refs` */
	void *(*function)(void *value);
	unsigned refs;    /* the handle, its stack, its children; of a main one nobody counts */
	struct list link; /* until it is dead */
};

struct api_thread {
	struct copatch_greenlet *greenlet; /* current */
	struct context *context;           /* current: its innermost */
	struct copatch_greenlet main;
	struct list greenlets, generators; /* all others that have not ended */
	struct {
		struct stack stack[16];
		unsigned n;
	} cache;
	struct { /* by a context that has ended, to whoever comes next */
		struct stack stack;
		struct copatch_greenlet *by;
		int result;
		bool unwind;
	} left;
	int *error;                       /* &errno */
	struct cxa_globals *cxa;          /* NULL: no C++ here */
	struct _Unwind_Exception *forced; /* glibc's, of cancellation */
	void **cleanup;                   /* the head of glibc's list; NULL: not known */
	struct api_thread *next_free;
};

/* A main greenlet is part of its thread's record, which is never given back. */
static inline bool greenlet_is_main(const struct copatch_greenlet *g)
{
	return g == &g->thread->main;
}

/* exceptions.c */
struct cxa_globals *cxa_find(void); /* the calling thread's; NULL: no C++ here */

/* thread.c */
/*
 * The calling thread's; NULL: out of memory. Records are used again but never given back, so
 * that a greenlet of a thread that has ended can be told from one of ours.
 */
struct api_thread *api_thread(void) __attribute__((warn_unused_result));
/* The same, where it is known that there is one, or NULL says enough. */
extern __thread struct api_thread *api_own __attribute__((tls_model("initial-exec")));

/* When a thread ends: all of its greenlets and generators are killed. */
void greenlets_end(struct api_thread *th);
void generators_end(struct api_thread *th);

/* stack.c */
int stack_get(struct api_thread *th, struct stack *s) __attribute__((warn_unused_result));
void stack_put(struct api_thread *th, struct stack *s);
void stack_cache_empty(struct api_thread *th);

/* context.c */
void greenlet_unref(struct copatch_greenlet *g);
/* Finds what glibc keeps for the calling thread: `forced` and `cleanup`. */
void context_thread_init(struct api_thread *th);
/* The context gets a stack, to begin with `run` as soon as it is switched to. */
int context_prepare(struct api_thread *th, struct context *c) __attribute__((warn_unused_result));
/* Takes the current context down, from the caller on. */
_Noreturn int context_unwind(void);
/* Makes `to`, of `g`, current, and takes it down. Returns when somebody comes back. */
void context_switch_unwind(struct api_thread *th, struct copatch_greenlet *g, struct context *to);
/*
 * The current context has ended: makes `to` current, where the switch returns `result`. With
 * `unwind` it is taken down instead. With `by` a greenlet goes too.
 */
_Noreturn void context_leave(struct api_thread *th, struct copatch_greenlet *g, struct context *to,
			     int result, bool unwind, struct copatch_greenlet *by);
void *context_exchange_cleanup(void *list);

/* context_x86_64.S */
int context_swap(void **sp, void *to, int result);
int context_swap_call(void **sp, void *to, int (*fn)(void));
void context_entry(void);
_Noreturn void context_unwind_from(void *buf);

/* What belongs to the thread goes into `from`, and out of `to`. */
static inline void context_keep(struct api_thread *th, struct context *from,
				const struct context *to)
{
	struct _Unwind_Exception *forced = th->forced;
	struct cxa_globals *cxa = th->cxa;
	void **cleanup = th->cleanup;
	int *error = th->error;

	from->error = *error;
	*error = to->error;
	from->unwinding[0] = forced->private_1;
	from->unwinding[1] = forced->private_2;
	forced->private_1 = to->unwinding[0];
	forced->private_2 = to->unwinding[1];
	if (cxa) {
		from->cxa = *cxa;
		*cxa = to->cxa;
	}
	if (cleanup) {
		from->cleanup = *cleanup;
		*cleanup = to->cleanup;
	} else {
		from->cleanup = context_exchange_cleanup(to->cleanup);
	}
}

static inline void context_send(struct context *to, void *value)
{
	if (to->received)
		*to->received = value;
}

/*
 * Makes `to`, of `g`, current; its switch returns `result`. Returns when somebody comes back. In
 * line and the last call of its callers: each return on the way is mispredicted, since the
 * processor remembers that of the other stack, and costs as much as all the rest.
 */
static inline int context_switch(struct api_thread *th, struct copatch_greenlet *g,
				 struct context *to, void **received, int result)
{
	struct context *from = th->context;

	from->received = received;
	context_keep(th, from, to);
	th->greenlet = g;
	th->context = g->innermost = to;
	return context_swap(&from->sp, to->sp, result);
}

#endif
