/* SPDX-License-Identifier: MIT */
/* exit in a thread ends the process at once, with its status, while others block for ever. */
#include "../helpers.h"

static void *blocks(void *arg T_UNUSED)
{
	int ends[2];
	char byte;

	T_OK(pipe(ends));
	return (void *)(intptr_t)read(ends[0], &byte, 1);
}

static void at_exit(void)
{
	t_say("atexit ran");
}

static void *ends(void *arg T_UNUSED)
{
	t_settle();
	exit(42);
}

int main(void)
{
	atexit(at_exit);
	for (int i = 0; i < 5; i++)
		t_thread(blocks, NULL);
	t_join(t_thread(ends, NULL));
	t_say("never printed");
	return 1;
}
