/* SPDX-License-Identifier: MIT */
/* Deadlines: a four-way heap for each clock, and a timerfd that ends the loop's wait in time. */
#include <string.h>
#include <sys/timerfd.h>

#include "carrier.h"
#include "check.h"
#include "raw.h"

#define SEEDED_LATE 200000000 /* nanoseconds */

/* What is nearer than this has passed before the kernel would have slept and been woken. */
#define NEAR 10000 /* nanoseconds */
/* The four below an entry lie in one cache line. */
#define ALIGNED 3 /* entries left out */

static const int clocks[TIMER_CLOCKS] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};

void timer_init(struct carrier *ca)
{
	for (int i = 0; i < TIMER_CLOCKS; i++)
		ca->timers[i].fd = -1;
}

uint64_t time_now(int clock)
{
	struct timespec ts = {0, 0};

	raw2(__NR_clock_gettime, clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void put(struct timer_heap *h, uint32_t i, struct timer_entry e)
{
	h->entry[i] = e;
	e.co->timer_pos = i + 1;
}

static void up(struct timer_heap *h, uint32_t i)
{
	struct timer_entry e = h->entry[i];

	while (i && h->entry[(i - 1) / 4].deadline > e.deadline) {
		put(h, i, h->entry[(i - 1) / 4]);
		i = (i - 1) / 4;
	}
	put(h, i, e);
}

static void down(struct timer_heap *h, uint32_t i)
{
	struct timer_entry e = h->entry[i];

	for (;;) {
		uint32_t least = 4 * i + 1;

		if (least >= h->count)
			break;
		for (uint32_t c = least + 1; c < 4 * i + 5 && c < h->count; c++)
			if (h->entry[c].deadline < h->entry[least].deadline)
				least = c;
		if (h->entry[least].deadline >= e.deadline)
			break;
		put(h, i, h->entry[least]);
		i = least;
	}
	put(h, i, e);
}

static int grow(struct timer_heap *h)
{
	uint32_t room = h->room ? h->room * 2 : 256;
	struct timer_entry *entry = mem_pages((room + ALIGNED) * sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry += ALIGNED;
	if (h->entry) {
		memcpy(entry, h->entry, h->count * sizeof(*entry));
		mem_pages_free(h->entry - ALIGNED, (h->room + ALIGNED) * sizeof(*entry));
	}
	h->entry = entry;
	h->room = room;
	return 0;
}

/*
 * `co` is woken with WAKE_TIMEOUT once `clock` shows `deadline`, in nanoseconds. -EINVAL: a clock
 * that has no timer of its own here; -ENOMEM.
 */
int wait_until(struct coroutine *co, int clock, uint64_t deadline)
{
	struct timer_heap *h;
	int i = 0;

	while (clocks[i] != clock)
		if (++i == TIMER_CLOCKS)
			return -EINVAL;
	h = &this_carrier()->timers[i];
	timer_cancel(co);
	if (h->count == h->room && grow(h))
		return -ENOMEM;
	h->entry[h->count] = (struct timer_entry){deadline, co};
	co->timer_clock = (int8_t)i;
	up(h, h->count++);
	return 0;
}

static void cut(struct timer_heap *h, uint32_t i)
{
	struct timer_entry last = h->entry[--h->count];

	h->entry[i].co->timer_pos = 0;
	if (i == h->count)
		return;
	put(h, i, last);
	up(h, i);
	down(h, last.co->timer_pos - 1);
}

void timer_cancel(struct coroutine *co)
{
	if (co->timer_pos)
		cut(&this_carrier()->timers[co->timer_clock], co->timer_pos - 1);
}

static void wake_due(struct timer_heap *h, uint64_t now)
{
	while (h->count && h->entry[0].deadline <= now)
		co_wake(h->entry[0].co, WAKE_TIMEOUT);
}

/* From the loop: the timerfd of one clock has fired. */
static void expire(void *arg)
{
	struct timer_heap *h = arg;
	int clock = clocks[h - this_carrier()->timers];
	uint64_t now = time_now(clock), count;

	/* -ECANCELED: somebody set the clock. The time is looked up above either way. */
	raw3(__NR_read, h->fd, &count, sizeof(count));
	h->armed = 0;
	/*
	 * With a seed the clock decides as little as can be: sleepers wake in the order of their
	 * deadlines, one at a time, when nobody else can run; or late, where that never happens.
	 */
	if (order_state) {
		bool idle = this_carrier()->idle && carrier_idle(this_carrier());

		if (h->count && h->entry[0].deadline + (idle ? 0 : SEEDED_LATE) <= now)
			co_wake(h->entry[0].co, WAKE_TIMEOUT);
		return;
	}
	wake_due(h, now);
}

static void open_clock(struct carrier *ca, int i)
{
	struct timer_heap *h = &ca->timers[i];

	h->fd = fd_move_high((int)raw2(__NR_timerfd_create, clocks[i], TFD_NONBLOCK | TFD_CLOEXEC));
	CHECK(h->fd >= 0 && loop_watch(ca, h->fd, expire, h));
}

/* Early, before a program may have used up all descriptors; the rare clock when it is needed. */
void timer_open(struct carrier *ca)
{
	open_clock(ca, 0);
	open_clock(ca, 1);
}

/* True: there is no time for that. */
static bool arm(struct carrier *ca, int i)
{
	struct timer_heap *h = &ca->timers[i];
	uint64_t deadline = h->entry[0].deadline ? h->entry[0].deadline : 1;
	struct itimerspec its = {
		.it_value = {(time_t)(deadline / 1000000000), (long)(deadline % 1000000000)},
	};
	int flags = TFD_TIMER_ABSTIME;

	/* Too early is mended when it fires; only an earlier deadline needs a call now. */
	if (h->armed && h->armed <= deadline)
		return false;
	if (!order_state && deadline < time_now(clocks[i]) + NEAR)
		return true;
	if (h->fd < 0)
		open_clock(ca, i);
	if (clocks[i] == CLOCK_REALTIME)
		flags |= TFD_TIMER_CANCEL_ON_SET;
	raw4(__NR_timerfd_settime, h->fd, flags, &its, 0);
	h->armed = deadline;
	return false;
}

bool timer_arm(struct carrier *ca)
{
	bool near = false;

	for (int i = 0; i < TIMER_CLOCKS; i++) {
		ca->timers[i].near = ca->timers[i].count && arm(ca, i);
		near |= ca->timers[i].near;
	}
	return near;
}

void timer_look(struct carrier *ca)
{
	for (int i = 0; i < TIMER_CLOCKS; i++)
		if (ca->timers[i].near)
			wake_due(&ca->timers[i], time_now(clocks[i]));
}

bool timer_any(const struct carrier *ca)
{
	for (int i = 0; i < TIMER_CLOCKS; i++)
		if (ca->timers[i].count)
			return true;
	return false;
}

void timer_after_fork(struct carrier *ca)
{
	for (int i = 0; i < TIMER_CLOCKS; i++) {
		struct timer_heap *h = &ca->timers[i];

		if (h->fd >= 0)
			raw1(__NR_close, h->fd);
		h->fd = -1;
		h->armed = 0;
	}
}
