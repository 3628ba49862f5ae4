/* SPDX-License-Identifier: MIT */
/* pthread_atfork handlers run in their order around a fork made by a thread. */
#include "../helpers.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char order[32];

static void prepare_a(void)
{
	strcat(order, "a");
	pthread_mutex_lock(&lock);
}

static void prepare_b(void)
{
	strcat(order, "b");
}

static void parent_a(void)
{
	strcat(order, "1");
	pthread_mutex_unlock(&lock);
}

static void parent_b(void)
{
	strcat(order, "2");
}

static void child_a(void)
{
	strcat(order, "x");
	pthread_mutex_unlock(&lock);
}

static void child_b(void)
{
	strcat(order, "y");
}

static void *locks(void *arg T_UNUSED)
{
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&lock);
		t_nap(2);
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	return NULL;
}

static void *forks(void *arg T_UNUSED)
{
	pid_t pid = T_OK(fork());

	if (pid == 0) {
		t_say("child: %s", order);
		exit(pthread_mutex_trylock(&lock));
	}
	t_say("child could lock: %d", t_reap(pid) == 0);
	t_say("parent: %s", order);
	return NULL;
}

int main(void)
{
	pthread_t locker;

	pthread_atfork(prepare_a, parent_a, child_a);
	pthread_atfork(prepare_b, parent_b, child_b);
	locker = t_thread(locks, NULL);
	t_nap(10);
	t_join(t_thread(forks, NULL));
	t_join(locker);
	return t_done();
}
