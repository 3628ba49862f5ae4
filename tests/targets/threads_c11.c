/* SPDX-License-Identifier: MIT */
/* C11 threads: thrd, mtx, cnd, tss and call_once. */
#include "../helpers.h"

#include <threads.h>

static mtx_t lock;
static cnd_t changed;
static tss_t slot;
static once_flag once = ONCE_FLAG_INIT;
static int turns, initialised, destroyed;

static void init(void)
{
	initialised++;
}

static void destroy(void *value T_UNUSED)
{
	__atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static int work(void *arg)
{
	int id = (int)(intptr_t)arg;

	call_once(&once, init);
	tss_set(slot, arg);
	mtx_lock(&lock);
	while (turns != id)
		cnd_wait(&changed, &lock);
	turns++;
	cnd_broadcast(&changed);
	mtx_unlock(&lock);
	thrd_yield();
	return tss_get(slot) == arg ? id : -1000;
}

static int exits(void *arg T_UNUSED)
{
	thrd_exit(99);
}

int main(void)
{
	struct timespec until, nap = t_timespec(30);
	int64_t start;
	thrd_t threads[10];
	int sum = 0, result;
	mtx_t timed;

	mtx_init(&lock, mtx_plain);
	mtx_init(&timed, mtx_timed);
	cnd_init(&changed);
	tss_create(&slot, destroy);
	for (intptr_t i = 9; i >= 0; i--)
		thrd_create(&threads[i], work, (void *)(i + 1));
	t_settle();
	mtx_lock(&lock);
	turns = 1;
	cnd_broadcast(&changed);
	mtx_unlock(&lock);
	for (int i = 0; i < 10; i++) {
		thrd_join(threads[i], &result);
		sum += result;
	}
	t_say("sum %d turns %d initialised %d destroyed %d", sum, turns, initialised, destroyed);
	thrd_create(&threads[0], exits, NULL);
	thrd_join(threads[0], &result);
	t_say("thrd_exit gave %d", result);

	mtx_lock(&timed);
	until = t_after(CLOCK_REALTIME, 50);
	start = t_now_ms();
	t_check("timed lock times out", mtx_timedlock(&timed, &until) == thrd_timedout);
	t_check("after 50 ms", t_took(start, 50));
	until = t_after(CLOCK_REALTIME, 50);
	start = t_now_ms();
	t_check("timed wait times out", cnd_timedwait(&changed, &timed, &until) == thrd_timedout);
	t_check("after 50 ms again", t_took(start, 50));
	start = t_now_ms();
	t_check("thrd_sleep", thrd_sleep(&nap, NULL) == 0 && t_took(start, 30));
	return t_done();
}
