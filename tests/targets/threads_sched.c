/* SPDX-License-Identifier: MIT */
/* Affinity, policy and nice value are set and read for single threads. */
#include "../helpers.h"

#include <sched.h>
#include <sys/resource.h>

static sem_t go;
static int ids[2];
static sem_t ready;

static void *work(void *arg)
{
	int id = (intptr_t)arg;

	ids[id] = t_gettid();
	if (id == 0)
		T_OK(setpriority(PRIO_PROCESS, 0, 5));
	sem_post(&ready);
	sem_wait(&go);
	errno = 0;
	return (void *)(intptr_t)getpriority(PRIO_PROCESS, 0);
}

int main(void)
{
	struct sched_param param = {0};
	cpu_set_t all, single, read_back;
	pthread_t a, b;
	int cpu = 0, policy;

	sem_init(&go, 0, 0);
	sem_init(&ready, 0, 0);
	a = t_thread(work, (void *)0);
	b = t_thread(work, (void *)1);
	sem_wait(&ready);
	sem_wait(&ready);
	t_say("nice of a: %d", getpriority(PRIO_PROCESS, ids[0]));
	t_say("nice of b: %d", getpriority(PRIO_PROCESS, ids[1]));
	t_say("nice of main: %d", getpriority(PRIO_PROCESS, 0));

	T_ZERO(pthread_getaffinity_np(a, sizeof(all), &all));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&single);
	CPU_SET(cpu, &single);
	T_ZERO(pthread_setaffinity_np(a, sizeof(single), &single));
	T_ZERO(pthread_getaffinity_np(a, sizeof(read_back), &read_back));
	t_check("affinity of a", CPU_EQUAL(&read_back, &single));
	T_ZERO(pthread_getaffinity_np(b, sizeof(read_back), &read_back));
	t_check("affinity of b", CPU_EQUAL(&read_back, &all));

	T_ZERO(pthread_setschedparam(a, SCHED_BATCH, &param));
	T_ZERO(pthread_getschedparam(a, &policy, &param));
	t_check("policy of a", policy == SCHED_BATCH && sched_getscheduler(ids[0]) == SCHED_BATCH);
	t_check("policy of b", sched_getscheduler(ids[1]) == SCHED_OTHER);
	t_check("policy of main", sched_getscheduler(0) == SCHED_OTHER);
	sem_post(&go);
	sem_post(&go);
	t_say("a says %ld", (long)(intptr_t)t_join(a));
	t_say("b says %ld", (long)(intptr_t)t_join(b));
	return t_done();
}
