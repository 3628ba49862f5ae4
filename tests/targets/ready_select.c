/* SPDX-License-Identifier: MIT */
/* select and pselect: timeouts, the time left, all three sets, and bad descriptors. */
#include "../helpers.h"

#include <sys/select.h>

static void *pokes(void *arg)
{
	t_settle();
	T_OK(write(*(int *)arg, "x", 1));
	return NULL;
}

static void *all(void *arg T_UNUSED)
{
	struct timespec ts = t_timespec(50);
	struct timeval tv = {0, 50000};
	int a[2], b[2], tcp[2], high;
	fd_set in, out, odd;
	pthread_t thread;
	int64_t start;

	T_OK(pipe(a));
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&odd);
	FD_SET(a[0], &in);
	FD_SET(b[0], &in);
	high = (b[1] > a[1] ? b[1] : a[1]) + 1;
	start = t_now_ms();
	t_say("select: %d", select(high, &in, NULL, NULL, &tv));
	t_check("after 50 ms", t_took(start, 50));
	t_check("no time left, sets empty",
		tv.tv_usec == 0 && !FD_ISSET(a[0], &in) && !FD_ISSET(b[0], &in));
	FD_SET(a[0], &in);
	start = t_now_ms();
	t_say("pselect: %d", pselect(high, &in, NULL, NULL, &ts, NULL));
	t_check("after 50 ms, time untouched", t_took(start, 50) && ts.tv_nsec == 50000000);

	FD_SET(a[0], &in);
	FD_SET(b[0], &in);
	tv = (struct timeval){5, 0};
	thread = t_thread(pokes, &b[1]);
	t_say("one: %d", select(high, &in, NULL, NULL, &tv));
	t_check("the right one", !FD_ISSET(a[0], &in) && FD_ISSET(b[0], &in));
	t_check("about five seconds left", tv.tv_sec == 4);
	t_join(thread);
	FD_SET(a[0], &in);
	FD_SET(a[1], &out);
	FD_SET(b[0], &out);
	t_say("three: %d", select(high, &in, &out, &odd, NULL));
	t_check("the right three",
		FD_ISSET(b[0], &in) && FD_ISSET(b[0], &out) && FD_ISSET(a[1], &out));

	t_tcp_pair(tcp);
	T_OK(send(tcp[1], "!", 1, MSG_OOB));
	FD_SET(tcp[0], &odd);
	t_say("urgent: %d", select(tcp[0] + 1, NULL, NULL, &odd, NULL));
	close(a[0]);
	FD_ZERO(&in);
	FD_SET(a[0], &in);
	t_check("closed is EBADF", select(high, &in, NULL, NULL, NULL) == -1 && errno == EBADF);
	tv.tv_sec = -1;
	t_check("bad time is EINVAL", select(0, NULL, NULL, NULL, &tv) == -1 && errno == EINVAL);
	t_check("bad count is EINVAL", select(-1, NULL, NULL, NULL, NULL) == -1 && errno == EINVAL);
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
