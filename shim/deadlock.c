/* SPDX-License-Identifier: MIT */
/*
 * Deadlocks. The loop is about to wait, and nothing in it can end the wait. If every thread is
 * in a queue of a futex word, without a deadline, then what is left is a signal. Two cases are
 * told, each situation once:
 *
 * - Some threads wait for one another in a circle, by locks and joins whose owners are known.
 *   No handler may release another thread's lock: this holds whatever handlers there are.
 * - There is no circle, and the program handles no signal: nobody is left to wake anybody.
 *
 * A thread in pause, sigwait or wait4, or with a call at a helper, can be woken from outside: then
 * nothing is said. Words that other processes share are waited for by helpers.
 */
#include "deadlock.h"

#include "log.h"
#include "owner.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

#define LINES_MAX 8 /* about single threads */

/* glibc's own, for cancellation and setuid: not the program's to wait for. */
#define SIGNALS_OF_LIBC (SIGBIT(32) | SIGBIT(33))

bool deadlock_abort;

static uint64_t told; /* the situation */

static bool load(void *cookie, uint64_t at, uint32_t *word)
{
	(void)cookie;
	return !(at & 3) && !user_load32(word, (void *)at);
}

/* Mostly many wait for the same one. */
static bool alive(void *cookie, uint32_t tid, uint64_t *clear_tid)
{
	struct thread **last = cookie;

	if (!*last || (*last)->tid != (int)tid)
		*last = thread_by_tid((int)tid);
	if (*last)
		*clear_tid = (*last)->clear_tid;
	return *last;
}

static enum owner_kind blocker(const struct thread *th, struct thread **by)
{
	static struct thread *last;
	const struct owner_view view = {load, alive, &last};
	enum owner_kind kind;
	uint32_t tid;

	last = NULL; /* it may be gone since */
	kind = owner_of(&view, th->co.queue_key, (int)th->call.arg[1], &tid);
	*by = kind == OWNER_UNKNOWN ? NULL : last;
	return kind;
}

/* 0: somebody can still be woken. Else a number for who waits for what. */
static uint64_t situation(void)
{
	uint64_t hash = 1;

	list_for_each (l, co_registry()) {
		const struct thread *th = container_of(l, struct thread, co.all);

		if (!th->co.again || th->co.queue_key <= WAIT_CHILD_KEY || th->call.job)
			return 0;
		hash = (hash ^ th->co.queue_key ^ (uint64_t)th->tid) * 0x9e3779b97f4a7c15UL;
	}
	return hash | 1;
}

static bool handles_signals(void)
{
	for (int sig = 1; sig <= 64; sig++)
		if (signal_action[sig].handler > (uint64_t)SIG_IGN &&
		    !(SIGBIT(sig) & SIGNALS_OF_LIBC))
			return true;
	return false;
}

/*
 * A thread on a circle, or NULL. Each thread waits for at most one: from every start the way is
 * followed until it ends, or comes to where this or an earlier way has been.
 */
static struct thread *find_circle(void)
{
	uint32_t way = 0;

	list_for_each (l, co_registry())
		container_of(l, struct thread, co.all)->seen_by = 0;
	list_for_each (l, co_registry()) {
		struct thread *th = container_of(l, struct thread, co.all);

		for (way++; th && !th->seen_by; blocker(th, &th))
			th->seen_by = way;
		if (th && th->seen_by == way)
			return th;
	}
	return NULL;
}

static struct thread *say_one(const struct thread *th)
{
	static const char *const kinds[] = {"futex", "mutex", "rwlock", NULL};
	struct thread *by;
	enum owner_kind kind = blocker(th, &by);

	if (kind == OWNER_JOIN)
		log_line(LOG_WARN, "  %d (%s) waits for the end of %d (%s)", (long)th->tid,
			 th->name, (long)by->tid, by->name);
	else if (by)
		log_line(LOG_WARN, "  %d (%s) waits for %s 0x%x, held by %d (%s)", (long)th->tid,
			 th->name, kinds[kind], th->co.queue_key, (long)by->tid, by->name);
	else
		log_line(LOG_WARN, "  %d (%s) waits at futex 0x%x", (long)th->tid, th->name,
			 th->co.queue_key);
	return by;
}

static void say_circle(struct thread *first)
{
	struct thread *th = first;
	int lines = 0;

	log_line(LOG_WARN, "deadlock: every thread waits, these for one another");
	do
		th = say_one(th);
	while (th && th != first && ++lines < LINES_MAX);
	if (th && th != first)
		log_line(LOG_WARN, "  and so on: see copatch ps %d", (long)process_id);
}

static void say_all(void)
{
	int lines = 0;

	log_line(LOG_WARN, "deadlock: every thread waits, and nothing is left that could wake one");
	list_for_each (l, co_registry()) {
		if (lines++ == LINES_MAX) {
			log_line(LOG_WARN, "  and so on: see copatch ps %d", (long)process_id);
			return;
		}
		say_one(container_of(l, struct thread, co.all));
	}
}

void deadlock_look(void)
{
	uint64_t now = situation();
	struct thread *circle;

	/* Also after a signal that has changed nothing. */
	if (!now || now == told)
		return;
	told = now;
	circle = find_circle();
	if (circle)
		say_circle(circle);
	else if (!handles_signals())
		say_all();
	else
		return;
	if (deadlock_abort)
		sigreal_default(SIGABRT);
}
