/* SPDX-License-Identifier: MIT */
/* SA_NODEFER, SA_RESETHAND and sa_mask act as asked, and old actions are handed back. */
#include "../helpers.h"

static __thread volatile int runs, depth, deepest;
static char order[32];

static void nests(int signal)
{
	if (++depth > deepest)
		deepest = depth;
	if (++runs < 3)
		raise(signal);
	depth--;
}

static void first(int signal T_UNUSED)
{
	strcat(order, "<");
	raise(SIGUSR2);
	strcat(order, ">");
}

static void second(int signal T_UNUSED)
{
	strcat(order, "2");
}

static void *all(void *arg T_UNUSED)
{
	struct sigaction action = {.sa_handler = first}, old;

	order[0] = 0;
	t_handler(SIGUSR1, nests, SA_NODEFER);
	runs = deepest = 0;
	raise(SIGUSR1);
	t_say("nodefer: runs %d deepest %d", runs, deepest);
	t_handler(SIGUSR1, nests, 0);
	runs = deepest = 0;
	raise(SIGUSR1);
	t_say("deferred: runs %d deepest %d", runs, deepest);

	t_handler(SIGUSR2, second, 0);
	T_OK(sigaction(SIGUSR1, &action, &old));
	t_check("old action", old.sa_handler == nests && !(old.sa_flags & SA_NODEFER));
	raise(SIGUSR1);
	sigaddset(&action.sa_mask, SIGUSR2);
	T_OK(sigaction(SIGUSR1, &action, NULL));
	raise(SIGUSR1);
	t_say("without and with a mask: %s", order);

	t_handler(SIGUSR1, second, SA_RESETHAND);
	raise(SIGUSR1);
	T_OK(sigaction(SIGUSR1, NULL, &old));
	t_check("reset to default", old.sa_handler == SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	t_say("ignored: %d", raise(SIGUSR1));
	t_check("KILL has no handler", sigaction(SIGKILL, &action, NULL) == -1 && errno == EINVAL);
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
