/* SPDX-License-Identifier: MIT */
/* While a thread waits for a child, others read, sleep and compute; any thread may reap it. */
#include "../helpers.h"

static pid_t shared;

static void *waits(void *arg T_UNUSED)
{
	int status;

	return (void *)(intptr_t)(waitpid(shared, &status, 0) == shared ? WEXITSTATUS(status)
									: -errno);
}

static void *ticks(void *arg)
{
	for (int i = 0; i < 20; i++) {
		t_nap(5);
		T_OK(write(*(int *)arg, "t", 1));
	}
	return NULL;
}

int main(void)
{
	pthread_t waiter, rival, ticker;
	int ends[2], life[2], ticked = 0;
	intptr_t a, b;
	char byte;

	T_OK(pipe(ends));
	T_OK(pipe(life));
	shared = T_OK(fork());
	if (shared == 0) {
		close(life[1]);
		_exit(read(life[0], &byte, 1) == 0 ? 9 : 1);
	}
	waiter = t_thread(waits, NULL);
	rival = t_thread(waits, NULL);
	ticker = t_thread(ticks, &ends[1]);
	while (ticked < 20 && read(ends[0], &byte, 1) == 1)
		ticked++;
	t_say("ticked %d", ticked);
	t_check("the child lives still", kill(shared, 0) == 0);
	close(life[1]);
	a = (intptr_t)t_join(waiter);
	b = (intptr_t)t_join(rival);
	t_check("one reaped, the other was told ECHILD", a + b == 9 - ECHILD);
	t_join(ticker);
	return t_done();
}
