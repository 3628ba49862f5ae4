/* SPDX-License-Identifier: MIT */
/* Two thousand threads, one after the other, so that glibc hands out used stacks. */
#include "../helpers.h"

static __thread int fresh;

static void *work(void *arg)
{
	if (fresh++)
		return NULL;
	return (char *)arg + 1;
}

int main(void)
{
	int good = 0;

	for (intptr_t i = 0; i < 2000; i++)
		good += t_join(t_thread(work, (void *)i)) == (void *)(i + 1);
	t_say("%d of 2000", good);
	return t_done();
}
