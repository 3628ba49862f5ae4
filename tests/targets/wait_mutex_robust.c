/* SPDX-License-Identifier: MIT */
/* A robust mutex tells its next owner that the last one died, in a thread and in a child. */
#include "../helpers.h"

#include <sys/mman.h>

static pthread_mutex_t *mutex;

static void *dies_with_lock(void *arg T_UNUSED)
{
	pthread_mutex_lock(mutex);
	t_settle();
	return NULL;
}

static void *waits(void *arg T_UNUSED)
{
	int error = pthread_mutex_lock(mutex);

	if (error == EOWNERDEAD)
		pthread_mutex_consistent(mutex);
	pthread_mutex_unlock(mutex);
	return (void *)(intptr_t)error;
}

static void init(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_mutex_init(mutex, &attr));
}

int main(void)
{
	pthread_t dying, waiter;
	pid_t child;

	mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	init();
	t_join(t_thread(dies_with_lock, NULL));
	t_say("after the owner: %s", strerror(pthread_mutex_lock(mutex)));
	T_ZERO(pthread_mutex_consistent(mutex));
	pthread_mutex_unlock(mutex);

	dying = t_thread(dies_with_lock, NULL);
	t_nap(20);
	waiter = t_thread(waits, NULL);
	t_say("waited for the owner: %s", strerror((intptr_t)t_join(waiter)));
	t_join(dying);

	dying = t_thread(dies_with_lock, NULL);
	t_join(dying);
	pthread_mutex_lock(mutex);
	pthread_mutex_unlock(mutex);
	t_say("not made consistent: %s", strerror(pthread_mutex_lock(mutex)));

	init();
	child = T_OK(fork());
	if (child == 0) {
		pthread_mutex_lock(mutex);
		t_nap(150);
		_exit(0);
	}
	t_settle();
	waiter = t_thread(waits, NULL);
	t_say("waited for a child: %s", strerror((intptr_t)t_join(waiter)));
	t_say("child: %d", t_reap(child));
	return t_done();
}
