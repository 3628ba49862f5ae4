/* SPDX-License-Identifier: MIT */
/*
 * Switching between stacks, and taking one down. The unwinding is glibc's own, that of
 * pthread_cancel: it runs C++ destructors and clean-up handlers in their order, and C's
 * handlers can be run in no other way. It is told where to stop, as it is for a thread, by a
 * buffer at the stack's beginning.
 *
 * IMPORTANT: glibc keeps a list of such buffers in each thread, and one object for the unwinding
 * that is under way. Both would be corrupted by the first switch inside a pair of
 * pthread_cleanup_push and pop, or inside a destructor, so both are kept for each stack.
 */
#include "context.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

/* What pthread_cleanup_push uses where there is no unwinder: exported, but not declared in C. */
extern int set_buffer(__pthread_unwind_buf_t *buf, int mask) __asm__("__sigsetjmp")
	__attribute__((returns_twice));
extern void __pthread_register_cancel(__pthread_unwind_buf_t *buf);
extern void __pthread_unregister_cancel(__pthread_unwind_buf_t *buf);

#define PREVIOUS __pad[0] /* struct pthread_unwind_buf, nptl/descr.h */

/* Places in struct pthread; 0: not known. */
static ptrdiff_t forced_at, cleanup_at;

_Unwind_Reason_Code context_personality(int version, _Unwind_Action actions,
					_Unwind_Exception_Class class, struct _Unwind_Exception *e,
					struct _Unwind_Context *c);
_Noreturn void context_begin(void);

_Unwind_Reason_Code context_personality(int version, _Unwind_Action actions,
					_Unwind_Exception_Class class, struct _Unwind_Exception *e,
					struct _Unwind_Context *c)
{
	(void)version;
	(void)actions;
	(void)class;
	(void)c;
	if (!forced_at)
		forced_at = (char *)e - (char *)pthread_self();
	return _URC_CONTINUE_UNWIND;
}

/* Takes down the current stack from here to the buffer that is the first in the list. */
static _Noreturn void unwind(void)
{
	__pthread_unwind_buf_t buf;

	__pthread_register_cancel(&buf); /* makes PREVIOUS the list as it stands */
	__pthread_unregister_cancel(&buf);
	context_unwind_from(&buf);
}

/* The one word in front of the exception object that holds `buf` while that is registered. */
static ptrdiff_t place_of(__pthread_unwind_buf_t *buf)
{
	char *self = (char *)pthread_self();
	ptrdiff_t found = 0;

	for (ptrdiff_t at = 0; at < forced_at; at += (ptrdiff_t)sizeof(void *)) {
		if (*(void **)(self + at) != (void *)buf)
			continue;
		if (found)
			return 0;
		found = at;
	}
	return found;
}

/*
 * Once in a process: an unwinding from here to here shows where glibc's exception object is. The
 * list's head is looked for too, as going by the functions would double the time of a switch.
 */
static void learn(void)
{
	__pthread_unwind_buf_t buf;

	if (!set_buffer(&buf, 0)) {
		__pthread_register_cancel(&buf);
		unwind();
	}
	cleanup_at = place_of(&buf);
	__pthread_unregister_cancel(&buf);
	if (cleanup_at && *(void **)((char *)pthread_self() + cleanup_at) != buf.PREVIOUS)
		cleanup_at = 0;
}

void context_thread_init(struct api_thread *th)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	char *self = (char *)pthread_self();

	pthread_once(&once, learn);
	th->forced = (struct _Unwind_Exception *)(self + forced_at);
	th->cleanup = cleanup_at ? (void **)(self + cleanup_at) : NULL;
}

/* The thread's list becomes `list`; returns what it was. */
void *context_exchange_cleanup(void *list)
{
	__pthread_unwind_buf_t buf;
	void *old;

	__pthread_register_cancel(&buf);
	old = buf.PREVIOUS;
	buf.PREVIOUS = list;
	__pthread_unregister_cancel(&buf);
	return old;
}

_Noreturn int context_unwind(void)
{
	api_own->context->unwinds = true;
	unwind();
}

void context_switch_unwind(struct api_thread *th, struct copatch_greenlet *g, struct context *to)
{
	struct context *from = th->context;

	from->received = NULL;
	context_keep(th, from, to);
	th->greenlet = g;
	th->context = g->innermost = to;
	context_swap_call(&from->sp, to->sp, context_unwind);
}

/* The last one to know a greenlet gives its parent up too, and so on. */
void greenlet_unref(struct copatch_greenlet *g)
{
	while (!greenlet_is_main(g) && !__atomic_sub_fetch(&g->refs, 1, __ATOMIC_ACQ_REL)) {
		struct copatch_greenlet *parent = g->parent;

		free(g);
		g = parent;
	}
}

/* On the next stack: what the one before could not do for itself. */
static int arrive(void)
{
	struct api_thread *th = api_own;
	int result = th->left.result;
	bool taken_down = th->left.unwind;

	stack_put(th, &th->left.stack);
	if (th->left.by)
		greenlet_unref(th->left.by);
	if (taken_down)
		context_unwind();
	return result;
}

_Noreturn void context_leave(struct api_thread *th, struct copatch_greenlet *g, struct context *to,
			     int result, bool unwind, struct copatch_greenlet *by)
{
	struct context nobody;

	th->left.stack = th->context->stack;
	th->left.by = by;
	th->left.result = result;
	th->left.unwind = unwind;
	context_keep(th, &nobody, to);
	th->greenlet = g;
	th->context = g->innermost = to;
	context_swap_call(&nobody.sp, to->sp, arrive);
	__builtin_unreachable();
}

static _Noreturn void call_ended(void *value, bool unwound)
{
	struct context *c = api_own->context;

	c->ended(c, value, unwound);
	__builtin_unreachable();
}

/* Called on a new stack by context_entry. Nothing is kept over the call that returns twice. */
_Noreturn void context_begin(void)
{
	__pthread_unwind_buf_t buf;

	if (set_buffer(&buf, 0))
		call_ended(NULL, true);
	__pthread_register_cancel(&buf);
	call_ended(api_own->context->run(api_own->context, api_own->context->first), false);
}

int context_prepare(struct api_thread *th, struct context *c)
{
	struct {
		uint32_t mxcsr;
		uint16_t fcw, padding;
		uint64_t r15, r14, r13, r12, rbx, rbp;
		void (*rip)(void);
	} * frame;
	int err = stack_get(th, &c->stack);

	if (err)
		return err;
	/* The entry finds its stack pointer as a multiple of 16. */
	frame = (void *)(c->stack.base + c->stack.size - sizeof(*frame));
	memset(frame, 0, sizeof(*frame));
	/* As for a new thread: rounding mode and exception masks are inherited. */
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(frame->mxcsr), "=m"(frame->fcw));
	frame->rip = context_entry;
	c->sp = frame;
	c->cleanup = NULL;
	c->unwinding[0] = c->unwinding[1] = 0;
	c->cxa = (struct cxa_globals){0};
	c->error = 0;
	c->unwinds = c->dying = false;
	c->received = &c->first;
	c->first = NULL;
	if (!th->cxa)
		th->cxa = cxa_find(); /* a library in C++ may have been loaded since */
	return 0;
}
