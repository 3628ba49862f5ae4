/* SPDX-License-Identifier: MIT */
/* A signal to the process goes to a thread that lets it in, even out of a waiting call. */
#include "../helpers.h"

static __thread int open_for_signals;
static int right, wrong;
static int ends[2];

static void handler(int signal T_UNUSED)
{
	__atomic_add_fetch(open_for_signals ? &right : &wrong, 1, __ATOMIC_SEQ_CST);
}

static void *blocks(void *arg T_UNUSED)
{
	char byte;

	return (void *)(intptr_t)read(ends[0], &byte, 1);
}

static void *lets_in(void *arg T_UNUSED)
{
	sigset_t set;
	char byte;
	ssize_t n;

	open_for_signals = 1;
	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	n = read(ends[0], &byte, 1);
	return (void *)(intptr_t)(n == -1 && errno == EINTR);
}

int main(void)
{
	pthread_t blocked[4], open_one;
	pid_t child, self = getpid();
	sigset_t set;

	T_OK(pipe(ends));
	t_handler(SIGUSR1, handler, 0);
	t_handler(SIGTERM, handler, 0);
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	for (int i = 0; i < 4; i++)
		blocked[i] = t_thread(blocks, NULL);
	open_one = t_thread(lets_in, NULL);
	t_settle();
	T_OK(kill(self, SIGUSR1));
	t_check("the open thread was interrupted", t_join(open_one) != NULL);
	open_one = t_thread(lets_in, NULL);
	t_settle();
	child = T_OK(fork());
	if (child == 0)
		_exit(kill(self, SIGTERM));
	t_check("by another process too", t_join(open_one) != NULL);
	t_reap(child);
	t_say("right %d wrong %d", right, wrong);
	T_OK(write(ends[1], "1234", 4));
	for (int i = 0; i < 4; i++)
		t_check("the others were left alone", (intptr_t)t_join(blocked[i]) == 1);
	return t_done();
}
