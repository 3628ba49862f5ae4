/* SPDX-License-Identifier: MIT */
/*
 * Locks whose owner ends without giving them back: by the end of its thread or process, or by an
 * exec. A robust one tells its next owner. One with priority inheritance that is not robust goes to
 * whoever waits already, which glibc takes for a fault of the program; else it lets nobody in.
 */
#include "../helpers.h"

#include <sys/mman.h>

#define LOCKS 4

static struct shared {
	pthread_mutex_t mutex[LOCKS];
	pthread_mutex_t first, last; /* on the same thread's list */
	volatile int stage;
} * shared;

static pthread_mutex_t own;

static void init(pthread_mutex_t *mutex, bool robust, bool inherit, bool between_processes)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	if (robust)
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (inherit)
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	if (between_processes)
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_mutex_init(mutex, &attr));
}

static const char *try_for(pthread_mutex_t *mutex, int64_t ms)
{
	struct timespec until = t_after(CLOCK_REALTIME, ms);

	return strerror(pthread_mutex_timedlock(mutex, &until));
}

static void *waits(void *mutex)
{
	return (void *)(intptr_t)pthread_mutex_lock(mutex);
}

static void *owner(void *mutex)
{
	T_ZERO(pthread_mutex_lock(mutex));
	t_settle();
	t_settle();
	return NULL;
}

/* glibc ends a process that gets such a lock: another one than ours. */
static pid_t waits_in_child(pthread_mutex_t *mutex, bool with_owner)
{
	pid_t child = T_OK(fork());

	if (child)
		return child;
	fclose(stderr);
	signal(SIGABRT, SIG_DFL);
	if (with_owner) {
		t_thread(owner, mutex);
		t_nap(50);
	}
	pthread_mutex_lock(mutex);
	_exit(9);
}

static void in_one_process(void)
{
	init(&own, false, true, false);
	t_say("threads: %d", t_reap(waits_in_child(&own, true)));
	t_join(t_thread(owner, &own));
	t_say("try: %s", strerror(pthread_mutex_trylock(&own)));
	t_say("once it is gone: %s", try_for(&own, 60));
}

static void *holds(void *mutex)
{
	T_ZERO(pthread_mutex_lock(mutex));
	shared->stage = 1;
	pause();
	return NULL;
}

/* Its process ends, with the main thread or another as the owner. */
static void in_another_process(bool by_main)
{
	pthread_mutex_t *mutex = &shared->mutex[0];
	pid_t waiter, child;

	init(mutex, false, true, true);
	shared->stage = 0;
	child = T_OK(fork());
	if (child == 0) {
		if (by_main)
			holds(mutex);
		t_thread(holds, mutex);
		pause();
	}
	while (!shared->stage)
		t_nap(1);
	waiter = waits_in_child(mutex, false);
	t_settle();
	T_OK(kill(child, SIGKILL));
	t_say("process, %s: %d", by_main ? "main" : "another thread", t_reap(waiter));
	t_say("child %d", t_reap(child));
	init(mutex, false, true, true);
	shared->stage = 0;
	child = T_OK(fork());
	if (child == 0)
		holds(mutex);
	while (!shared->stage)
		t_nap(1);
	T_OK(kill(child, SIGKILL));
	t_reap(child);
	t_say("and once it is gone: %s", try_for(mutex, 60));
}

static void *holds_three(void *mutex)
{
	T_ZERO(pthread_mutex_lock(&shared->first));
	T_ZERO(pthread_mutex_lock(mutex));
	T_ZERO(pthread_mutex_lock(&shared->last));
	T_ZERO(pthread_mutex_unlock(&shared->last));
	shared->stage++;
	pause();
	return NULL;
}

static void child_execs(char *self)
{
	char *args[] = {self, "sleep", NULL};

	T_ZERO(pthread_mutex_lock(&shared->mutex[0]));
	t_thread(holds_three, &shared->mutex[1]);
	while (shared->stage < 1)
		t_nap(1);
	t_thread(holds, &shared->mutex[2]);
	while (shared->stage != 1)
		t_nap(1);
	t_nap(50);
	execv("/does/not/exist", args);
	t_say("after an exec that failed: %s, %s", try_for(&shared->mutex[1], 30),
	      try_for(&shared->mutex[2], 30));
	shared->stage = 2;
	t_settle();
	execv("/proc/self/exe", args);
	_exit(127);
}

/* The process goes on, but nothing of it that had locked. */
static void by_exec(char *self)
{
	pthread_t waiter[3];
	pid_t child;

	for (int i = 0; i < LOCKS; i++)
		init(&shared->mutex[i], true, i == 2, true);
	init(&shared->first, true, false, true);
	init(&shared->last, true, false, true);
	shared->stage = 0;
	child = T_OK(fork());
	if (child == 0)
		child_execs(self);
	while (shared->stage != 2)
		t_nap(1);
	for (int i = 0; i < 3; i++)
		waiter[i] = t_thread(waits, &shared->mutex[i]);
	for (int i = 0; i < 3; i++)
		t_say("exec, lock %d: %s", i, strerror((int)(intptr_t)t_join(waiter[i])));
	t_say("without a waiter: %s", try_for(&shared->first, 500));
	t_say("given back before: %s", try_for(&shared->last, 500));
	kill(child, SIGKILL);
	t_say("child %d", t_reap(child));
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return pause();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	in_one_process();
	in_another_process(true);
	in_another_process(false);
	by_exec(argv[0]);
	return t_done();
}
