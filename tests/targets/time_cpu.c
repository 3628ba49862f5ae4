/* SPDX-License-Identifier: MIT */
/* A thread's CPU clock counts its own work, seen from inside and outside, and not its sleep. */
#include "../helpers.h"

#include <stdatomic.h>
#include <sys/resource.h>

static sem_t ready, go;
static atomic_int enough;

static int64_t ns_of(clockid_t clock)
{
	struct timespec ts;

	T_OK(clock_gettime(clock, &ts));
	return ts.tv_sec * (int64_t)1000000000 + ts.tv_nsec;
}

static int64_t ms_of(clockid_t clock)
{
	return ns_of(clock) / 1000000;
}

static void *spins(void *arg)
{
	volatile unsigned work = 0;

	(void)arg;
	while (!atomic_load(&enough))
		work++;
	return NULL;
}

/* A clock never goes back, whoever else computes, here and in other processes. */
static int64_t goes_back(void)
{
	volatile unsigned work = 0;
	pthread_t other;
	pid_t outside[3];
	clockid_t own;
	int64_t last = 0, now, back = 0;

	for (int i = 0; i < 3; i++) {
		outside[i] = fork();
		if (outside[i])
			continue;
		alarm(5);
		for (;;)
			;
	}
	other = t_thread(spins, NULL);
	T_ZERO(pthread_getcpuclockid(pthread_self(), &own));
	for (int64_t start = t_now_ms(); t_now_ms() - start < 200;) {
		for (int i = 0; i < 100000; i++)
			work++;
		now = ns_of(own);
		back += now < last;
		last = ns_of(CLOCK_THREAD_CPUTIME_ID);
		back += last < now;
	}
	atomic_store(&enough, 1);
	t_join(other);
	for (int i = 0; i < 3; i++) {
		kill(outside[i], SIGKILL);
		waitpid(outside[i], NULL, 0);
	}
	return back;
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
	(void)work;
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
	int64_t before;

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
	before = ms_of(CLOCK_THREAD_CPUTIME_ID);
	t_check("main", before < 100);
	t_check("never back", !goes_back());
	return t_done();
}
