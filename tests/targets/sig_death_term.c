/* SPDX-License-Identifier: MIT */
/* The program itself dies of SIGTERM, sent by a thread to the process. */
#include "../helpers.h"

static void *dies(void *arg T_UNUSED)
{
	t_settle();
	T_OK(kill(getpid(), SIGTERM));
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
