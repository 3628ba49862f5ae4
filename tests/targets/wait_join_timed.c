/* SPDX-License-Identifier: MIT */
/* Joins with a time limit, and tries to join, leave a running thread joinable. */
#include "../helpers.h"

static void *work(void *arg)
{
	t_nap((intptr_t)arg);
	return "result";
}

int main(void)
{
	pthread_t thread = t_thread(work, (void *)1000);
	struct timespec until;
	int64_t start = t_now_ms();
	void *result = NULL;

	t_check("tryjoin is EBUSY", pthread_tryjoin_np(thread, &result) == EBUSY);
	until = t_after(CLOCK_REALTIME, 50);
	t_check("timedjoin times out", pthread_timedjoin_np(thread, &result, &until) == ETIMEDOUT);
	t_check("after 50 ms", t_took(start, 50));
	start = t_now_ms();
	until = t_after(CLOCK_MONOTONIC, 50);
	t_check("clockjoin times out",
		pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &until) == ETIMEDOUT);
	t_check("after 50 ms again", t_took(start, 50));
	until = t_after(CLOCK_REALTIME, 10000);
	t_check("timedjoin joins", pthread_timedjoin_np(thread, &result, &until) == 0);
	t_say("%s", (char *)result);

	thread = t_thread(work, (void *)0);
	start = t_now_ms();
	while (pthread_tryjoin_np(thread, &result) == EBUSY && t_now_ms() - start < 10000)
		t_nap(1);
	t_check("tryjoin joins", t_took(start, 0));
	return t_done();
}
