/* SPDX-License-Identifier: MIT */
/* Readers share a read-write lock, a writer has it alone, and timed locks give up. */
#include "../helpers.h"

#define READERS 8

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t together;
static int value, mirror, mismatches;

static void *shares(void *arg T_UNUSED)
{
	pthread_rwlock_rdlock(&rwlock);
	pthread_barrier_wait(&together);
	pthread_rwlock_unlock(&rwlock);
	return NULL;
}

static void *reads(void *arg T_UNUSED)
{
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_rdlock(&rwlock);
		if (value != mirror)
			__atomic_add_fetch(&mismatches, 1, __ATOMIC_SEQ_CST);
		pthread_rwlock_unlock(&rwlock);
		if (i % 10 == 0)
			sched_yield();
	}
	return NULL;
}

static void *writes(void *arg T_UNUSED)
{
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_wrlock(&rwlock);
		value++;
		sched_yield();
		mirror++;
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

static void *tries(void *arg T_UNUSED)
{
	struct timespec until = t_after(CLOCK_REALTIME, 50);
	int64_t start = t_now_ms();

	t_say("tryrdlock: %s", strerror(pthread_rwlock_tryrdlock(&rwlock)));
	t_say("trywrlock: %s", strerror(pthread_rwlock_trywrlock(&rwlock)));
	t_say("timedrdlock: %s", strerror(pthread_rwlock_timedrdlock(&rwlock, &until)));
	t_check("after 50 ms", t_took(start, 50));
	until = t_after(CLOCK_MONOTONIC, 50);
	t_say("clockwrlock: %s",
	      strerror(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &until)));
	t_check("after 100 ms", t_took(start, 100));
	return NULL;
}

int main(void)
{
	pthread_t threads[READERS + 3];

	pthread_barrier_init(&together, NULL, READERS);
	for (int i = 0; i < READERS; i++)
		threads[i] = t_thread(shares, NULL);
	for (int i = 0; i < READERS; i++)
		t_join(threads[i]);
	t_say("readers were inside together");
	for (int i = 0; i < READERS + 3; i++)
		threads[i] = t_thread(i < READERS ? reads : writes, NULL);
	for (int i = 0; i < READERS + 3; i++)
		t_join(threads[i]);
	t_say("value %d mirror %d mismatches %d", value, mirror, mismatches);
	pthread_rwlock_wrlock(&rwlock);
	t_say("wrlock twice: %s", strerror(pthread_rwlock_wrlock(&rwlock)));
	t_join(t_thread(tries, NULL));
	pthread_rwlock_unlock(&rwlock);
	return t_done();
}
