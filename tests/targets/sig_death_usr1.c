/* SPDX-License-Identifier: MIT */
/* The program itself dies of an uncaught SIGUSR1 raised in a thread. */
#include "../helpers.h"

static void *dies(void *arg T_UNUSED)
{
	t_settle();
	raise(SIGUSR1);
	t_nap(10000);
	return NULL;
}

int main(void)
{
	t_say("alive");
	t_join(t_thread(dies, NULL));
	t_say("never printed");
	return 1;
}
