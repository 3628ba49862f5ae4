/* SPDX-License-Identifier: MIT */
/*
 * A lock and a condition, with a deadline. Waiting is a cancellation point: the lock is let go of
 * by unwinding, see LOCKED.
 */
#ifndef COPATCH_WAIT_H
#define COPATCH_WAIT_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* From `timeout` milliseconds on; `at` NULL: there is none. */
struct deadline {
	struct timespec when;
	const struct timespec *at;
};

static inline void deadline_set(struct deadline *d, long timeout)
{
	clock_gettime(CLOCK_MONOTONIC, &d->when);
	d->at = timeout < 0 ? NULL : &d->when;
	d->when.tv_sec += timeout / 1000;
	d->when.tv_nsec += timeout % 1000 * 1000000;
	if (d->when.tv_nsec >= 1000000000) {
		d->when.tv_nsec -= 1000000000;
		d->when.tv_sec++;
	}
}

static inline int cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int err = pthread_condattr_init(&attr);

	if (err)
		return -err;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	err = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -err;
}

/* -ETIMEDOUT, or 0 when it may have changed. */
static inline int cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct deadline *d)
{
	return d->at ? -pthread_cond_timedwait(cond, lock, d->at) : -pthread_cond_wait(cond, lock);
}

static inline void unlock_at_end(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

static inline pthread_mutex_t *lock_now(pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock);
	return lock;
}

/* Holds the lock up to the end of the block, however that is left. */
#define LOCKED(lock) \
	pthread_mutex_t *held __attribute__((cleanup(unlock_at_end), unused)) = lock_now(lock)

#endif
