/* SPDX-License-Identifier: MIT */
/* Thread ids differ, main's is the process id, and pthread_equal tells threads apart. */
#include "../helpers.h"

#include <sched.h>

#define THREADS 30

static pid_t ids[THREADS];
static pthread_t selves[THREADS];
static pthread_barrier_t all;

static void *work(void *arg)
{
	intptr_t id = (intptr_t)arg;
	cpu_set_t cpus;

	ids[id] = t_gettid();
	selves[id] = pthread_self();
	pthread_barrier_wait(&all);
	if (ids[id] != t_gettid() || ids[id] != gettid() || getpid() == ids[id])
		return (void *)1;
	if (sched_getaffinity(ids[id], sizeof(cpus), &cpus) || sched_getscheduler(ids[id]))
		return (void *)2;
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	bool distinct = true, equal = true;
	int wrong = 0;

	pthread_barrier_init(&all, NULL, THREADS);
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		wrong += t_join(threads[i]) != NULL;
	for (int i = 0; i < THREADS; i++) {
		equal &= pthread_equal(threads[i], selves[i]) != 0;
		for (int j = 0; j < i; j++) {
			distinct &= ids[i] != ids[j];
			equal &= !pthread_equal(selves[i], selves[j]);
		}
	}
	t_check("main has the id of the process", t_gettid() == getpid());
	t_check("ids are distinct", distinct);
	t_check("ids are stable and not the process id", wrong == 0);
	t_check("pthread_self and pthread_create agree", equal);
	t_check("positive", ids[0] > 0);
	return t_done();
}
