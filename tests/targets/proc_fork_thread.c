/* SPDX-License-Identifier: MIT */
/* A child forked by a thread goes on alone from there, and can use threads of its own. */
#include "../helpers.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int mine = 3;
static int others;

static void *works(void *arg)
{
	pthread_mutex_lock(&lock);
	t_nap(5);
	pthread_mutex_unlock(&lock);
	return (char *)arg + mine;
}

static void *counts(void *arg T_UNUSED)
{
	for (int i = 0; i < 40; i++) {
		others++;
		t_nap(5);
	}
	return NULL;
}

static int child(pid_t parent)
{
	pthread_t threads[10];
	intptr_t sum = 0;
	int before = others;

	if (mine != 5 || getppid() != parent || t_gettid() != getpid())
		return 1;
	for (intptr_t i = 0; i < 10; i++)
		threads[i] = t_thread(works, (void *)i);
	for (int i = 0; i < 10; i++)
		sum += (intptr_t)t_join(threads[i]);
	/* the parent's other thread must not run here */
	if (others != before)
		return 2;
	return sum == 45 + 30 ? 42 : 3;
}

static void *forks(void *arg T_UNUSED)
{
	pid_t self = getpid(), pid;
	int nested;

	mine = 5;
	pid = T_OK(fork());
	if (pid == 0)
		exit(child(self));
	t_say("child of a thread: %d", t_reap(pid));
	pid = T_OK(fork());
	if (pid == 0) {
		self = getpid();
		pid = T_OK(fork());
		if (pid == 0)
			_exit(child(self));
		nested = t_reap(pid);
		_exit(nested == 42 ? 43 : nested);
	}
	t_say("grandchild of a thread: %d", t_reap(pid));
	return NULL;
}

int main(void)
{
	pthread_t counter = t_thread(counts, NULL);
	pid_t pid, self = getpid();

	t_join(t_thread(forks, NULL));
	mine = 5;
	pid = T_OK(fork());
	if (pid == 0)
		exit(child(self));
	t_say("child of main: %d", t_reap(pid));
	t_join(counter);
	t_say("counted %d", others);
	return t_done();
}
