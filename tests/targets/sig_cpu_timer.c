/* SPDX-License-Identifier: MIT */
/* Signals of timers of processor time come to the thread that computes, as profilers expect. */
#include "../helpers.h"

#include <sys/time.h>

static volatile sig_atomic_t hits[2];
static int id[2];

static void on_signal(int sig T_UNUSED)
{
	int self = t_gettid();

	for (int i = 0; i < 2; i++)
		if (id[i] == self)
			hits[i]++;
}

static void *computes(void *arg T_UNUSED)
{
	id[1] = t_gettid();
	while (hits[0] + hits[1] < 5)
		;
	return NULL;
}

static void profile(int timer, int sig)
{
	struct itimerval every = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}};
	pthread_t thread;

	hits[0] = hits[1] = 0;
	t_handler(sig, on_signal, SA_RESTART);
	T_OK(setitimer(timer, &every, NULL));
	thread = t_thread(computes, NULL);
	t_join(thread);
	T_OK(setitimer(timer, &off, NULL));
	t_say("signal %d: main had it: %d, the thread: %d", sig, hits[0] > 0, hits[1] > 0);
}

int main(void)
{
	id[0] = t_gettid();
	profile(ITIMER_PROF, SIGPROF);
	profile(ITIMER_VIRTUAL, SIGVTALRM);
	return t_done();
}
