/* SPDX-License-Identifier: MIT */
/* An interval timer whose signal is blocked or ignored leaves all the time to the program. */
#include "../helpers.h"

#include <sys/time.h>

static volatile int hits, rounds;

static void handler(int signal T_UNUSED)
{
	hits++;
}

/* Work in which the signals of a timer of a microsecond, if they came, would find no end. */
static void *works(void *arg T_UNUSED)
{
	for (int i = 0; i < 20; i++) {
		t_nap(1);
		rounds++;
	}
	return NULL;
}

static void set_timers(long us)
{
	struct itimerval timer = {{0, us}, {0, us}};

	T_OK(setitimer(ITIMER_REAL, &timer, NULL));
	T_OK(setitimer(ITIMER_PROF, &timer, NULL));
	T_OK(setitimer(ITIMER_VIRTUAL, &timer, NULL));
}

static void run(const char *how)
{
	int64_t start = t_now_ms();

	rounds = 0;
	set_timers(1);
	t_join(t_thread(works, NULL));
	set_timers(0);
	t_say("%s: %d rounds", how, rounds);
	t_check("in good time", t_now_ms() - start < 5000);
}

int main(void)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGPROF);
	sigaddset(&set, SIGVTALRM);
	T_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
	t_handler(SIGALRM, handler, 0);
	t_handler(SIGPROF, handler, 0);
	t_handler(SIGVTALRM, handler, 0);
	run("blocked");
	sigpending(&pending);
	t_check("pending", sigismember(&pending, SIGALRM) == 1);
	t_say("handled %d", hits);
	T_ZERO(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
	t_check("handled once unblocked", hits >= 1 && hits <= 3);

	signal(SIGALRM, SIG_IGN);
	signal(SIGPROF, SIG_IGN);
	signal(SIGVTALRM, SIG_IGN);
	run("ignored");
	return t_done();
}
