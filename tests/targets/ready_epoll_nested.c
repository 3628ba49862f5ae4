/* SPDX-License-Identifier: MIT */
/* An epoll inside another, and inside poll and select, passes readiness on across threads. */
#include "../helpers.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

static int waker;

static void add(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	T_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void *pokes(void *arg T_UNUSED)
{
	t_settle();
	T_OK(eventfd_write(waker, 1));
	return NULL;
}

static void drain(pthread_t thread)
{
	eventfd_t value;

	t_join(thread);
	T_OK(eventfd_read(waker, &value));
}

int main(void)
{
	int inner, middle, outer;
	struct epoll_event event;
	struct pollfd poll_fd;
	pthread_t thread;
	fd_set set;

	waker = T_OK(eventfd(0, 0));
	inner = T_OK(epoll_create1(0));
	middle = T_OK(epoll_create1(0));
	outer = T_OK(epoll_create1(0));
	add(inner, waker);
	add(middle, inner);
	add(outer, middle);
	t_say("empty: %d", epoll_wait(outer, &event, 1, 30));
	thread = t_thread(pokes, NULL);
	t_say("outer: %d", epoll_wait(outer, &event, 1, -1));
	t_check("names the middle", event.data.fd == middle);
	t_say("middle: %d", epoll_wait(middle, &event, 1, -1));
	t_say("inner: %d", epoll_wait(inner, &event, 1, -1));
	t_check("names the waker", event.data.fd == waker);
	drain(thread);
	t_say("drained: %d", epoll_wait(outer, &event, 1, 0));

	poll_fd = (struct pollfd){outer, POLLIN, 0};
	t_say("poll times out: %d", poll(&poll_fd, 1, 30));
	thread = t_thread(pokes, NULL);
	t_say("poll: %d %#x", poll(&poll_fd, 1, -1), poll_fd.revents);
	drain(thread);
	FD_ZERO(&set);
	FD_SET(inner, &set);
	thread = t_thread(pokes, NULL);
	t_say("select: %d", select(inner + 1, &set, NULL, NULL, NULL));
	drain(thread);
	t_check("a circle is ELOOP",
		epoll_ctl(inner, EPOLL_CTL_ADD, outer, &event) == -1 && errno == ELOOP);
	return t_done();
}
