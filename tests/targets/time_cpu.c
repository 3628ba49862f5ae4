/* SPDX-License-Identifier: MIT */
/* A thread's CPU clock counts its own work, seen from inside and outside, and not its sleep. */
#include "../helpers.h"

#include <sys/resource.h>

static sem_t ready, go;

static int64_t ms_of(clockid_t clock)
{
	struct timespec ts;

	T_OK(clock_gettime(clock, &ts));
	return ts.tv_sec * (int64_t)1000 + ts.tv_nsec / 1000000;
}

static void *works(void *arg)
{
	volatile unsigned work = 0;
	struct rusage usage;
	intptr_t result;

	if (!arg)
		t_nap(300);
	/* bounded by the thread's own time; a clock that stood still would show as the 5 s below */
	for (int64_t start = t_now_ms(); arg && ms_of(CLOCK_THREAD_CPUTIME_ID) < 150;) {
		for (int i = 0; i < 10000; i++)
			work += i;
		if (t_now_ms() - start > 5000)
			break;
	}
	result = ms_of(CLOCK_THREAD_CPUTIME_ID);
	T_OK(getrusage(RUSAGE_THREAD, &usage));
	if (arg && usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec < 20000)
		result = -1;
	sem_post(&ready);
	sem_wait(&go);
	return (void *)result;
}

int main(void)
{
	pthread_t worker, sleeper;
	clockid_t clock_of_worker, clock_of_sleeper;

	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	worker = t_thread(works, (void *)1);
	sleeper = t_thread(works, NULL);
	T_ZERO(pthread_getcpuclockid(worker, &clock_of_worker));
	T_ZERO(pthread_getcpuclockid(sleeper, &clock_of_sleeper));
	sem_wait(&ready);
	sem_wait(&ready);
	t_check("worker, from outside", ms_of(clock_of_worker) >= 150);
	t_check("sleeper, from outside", ms_of(clock_of_sleeper) < 100);
	t_check("process has both", ms_of(CLOCK_PROCESS_CPUTIME_ID) >= 150);
	sem_post(&go);
	sem_post(&go);
	t_check("worker, from inside", (intptr_t)t_join(worker) >= 150);
	t_check("sleeper, from inside", (intptr_t)t_join(sleeper) < 100);
	t_check("main", ms_of(CLOCK_THREAD_CPUTIME_ID) < 100);
	return t_done();
}
