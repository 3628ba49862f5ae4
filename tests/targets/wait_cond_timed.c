/* SPDX-License-Identifier: MIT */
/* Timed waits on condition variables end on time on either clock, and hold the mutex again. */
#include "../helpers.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER, monotonic;

static void *try_lock(void *arg T_UNUSED)
{
	return (void *)(intptr_t)pthread_mutex_trylock(&lock);
}

static void *signals(void *arg)
{
	t_nap(80);
	pthread_mutex_lock(&lock);
	pthread_cond_signal(arg);
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(void)
{
	struct timespec until;
	pthread_condattr_t attr;
	pthread_t other;
	int64_t start;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&monotonic, &attr);
	pthread_mutex_lock(&lock);

	start = t_now_ms();
	until = t_after(CLOCK_REALTIME, 70);
	t_check("realtime times out", pthread_cond_timedwait(&cond, &lock, &until) == ETIMEDOUT);
	t_check("after 70 ms", t_took(start, 70));
	t_check("mutex is held", (intptr_t)t_join(t_thread(try_lock, NULL)) == EBUSY);

	start = t_now_ms();
	until = t_after(CLOCK_MONOTONIC, 70);
	t_check("monotonic times out",
		pthread_cond_timedwait(&monotonic, &lock, &until) == ETIMEDOUT);
	t_check("after 70 ms again", t_took(start, 70));

	start = t_now_ms();
	until = t_after(CLOCK_MONOTONIC, 70);
	t_check("clockwait times out",
		pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT);
	t_check("after 70 ms once more", t_took(start, 70));

	until = t_after(CLOCK_REALTIME, -1000);
	t_check("past time", pthread_cond_timedwait(&cond, &lock, &until) == ETIMEDOUT);
	until.tv_nsec = -1;
	t_check("bad nanoseconds", pthread_cond_timedwait(&cond, &lock, &until) == EINVAL);

	start = t_now_ms();
	other = t_thread(signals, &cond);
	until = t_after(CLOCK_REALTIME, 10000);
	t_check("signalled", pthread_cond_timedwait(&cond, &lock, &until) == 0);
	t_check("after 80 ms", t_took(start, 80));
	pthread_mutex_unlock(&lock);
	t_join(other);
	pthread_mutex_lock(&lock);
	other = t_thread(signals, &monotonic);
	until = t_after(CLOCK_MONOTONIC, 10000);
	t_check("monotonic signalled", pthread_cond_timedwait(&monotonic, &lock, &until) == 0);
	pthread_mutex_unlock(&lock);
	t_join(other);
	T_ZERO(pthread_cond_destroy(&cond));
	T_ZERO(pthread_cond_destroy(&monotonic));
	return t_done();
}
