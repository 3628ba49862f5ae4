/* SPDX-License-Identifier: MIT */
/* A thread that computes without system calls gets the signals of timers and of others. */
#include "../helpers.h"

#include <sys/time.h>

static volatile int hits;

static void handler(int signal T_UNUSED)
{
	hits++;
}

/* At least 100 ms, at most three seconds if no signal comes; the clock is read without a trap. */
static bool compute(int wanted)
{
	int64_t start = t_now_ms(), now = start;
	volatile unsigned work = 0;

	while (now - start < 100 || (hits < wanted && now - start < 3000)) {
		for (int i = 0; i < 10000; i++)
			work += i;
		now = t_now_ms();
	}
	(void)work;
	return hits >= wanted;
}

static void *computes(void *arg)
{
	return (void *)(intptr_t)compute((intptr_t)arg);
}

static bool with_timer(int which, int signal)
{
	struct itimerval interval = {{0, 10000}, {0, 30000}}, none = {{0, 0}, {0, 0}};
	bool good;

	hits = 0;
	t_handler(signal, handler, SA_RESTART);
	T_OK(setitimer(which, &interval, NULL));
	good = t_join(t_thread(computes, (void *)2)) != NULL;
	T_OK(setitimer(which, &none, NULL));
	return good;
}

int main(void)
{
	pid_t child, self = getpid();

	t_check("ITIMER_REAL", with_timer(ITIMER_REAL, SIGALRM));
	t_check("ITIMER_VIRTUAL", with_timer(ITIMER_VIRTUAL, SIGVTALRM));
	t_check("ITIMER_PROF", with_timer(ITIMER_PROF, SIGPROF));
	hits = 0;
	t_handler(SIGUSR1, handler, SA_RESTART);
	child = T_OK(fork());
	if (child == 0) {
		t_nap(50);
		_exit(kill(self, SIGUSR1));
	}
	t_check("from a child", t_join(t_thread(computes, (void *)1)) != NULL);
	t_say("child %d", t_reap(child));
	return t_done();
}
