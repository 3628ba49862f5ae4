/* SPDX-License-Identifier: MIT */
/*
 * An epoll inside another, and inside poll and select, passes readiness on across threads; so does
 * one that is as deep in others as the kernel allows, waited for in every way.
 */
#include "../helpers.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>

#define MOST 20

static int waker, inner, chain[MOST], depth;
static volatile bool waiting;

static int add(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
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

static void three(void)
{
	int middle, outer;
	struct epoll_event event;
	struct pollfd poll_fd;
	pthread_t thread;
	fd_set set;

	inner = T_OK(epoll_create1(0));
	middle = T_OK(epoll_create1(0));
	outer = T_OK(epoll_create1(0));
	T_OK(add(inner, waker));
	T_OK(add(middle, inner));
	T_OK(add(outer, middle));
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
	t_check("a circle is ELOOP", add(inner, outer) == -1 && errno == ELOOP);
}

static void wait_in_every_way(int outer)
{
	struct pollfd poll_fd = {outer, POLLIN, 0};
	struct timespec time = t_timespec(60);
	struct epoll_event event;
	pthread_t thread;
	sigset_t none;
	int64_t start;
	fd_set set;
	int n;

	sigemptyset(&none);
	start = t_now_ms();
	t_say("empty: %d", epoll_wait(outer, &event, 1, 60));
	t_check("after its time", t_took(start, 60));
	thread = t_thread(pokes, NULL);
	t_say("epoll_wait: %d", epoll_wait(outer, &event, 1, -1));
	drain(thread);
	thread = t_thread(pokes, NULL);
	t_say("epoll_pwait: %d", epoll_pwait(outer, &event, 1, -1, &none));
	drain(thread);
	start = t_now_ms();
	t_say("poll times out: %d", poll(&poll_fd, 1, 60));
	t_check("after its time", t_took(start, 60));
	thread = t_thread(pokes, NULL);
	n = poll(&poll_fd, 1, -1);
	t_say("poll: %d %#x", n, poll_fd.revents);
	drain(thread);
	start = t_now_ms();
	t_say("ppoll: %d", ppoll(&poll_fd, 1, &time, &none));
	t_check("after its time", t_took(start, 60));
	FD_ZERO(&set);
	FD_SET(outer, &set);
	thread = t_thread(pokes, NULL);
	t_say("select: %d", select(outer + 1, &set, NULL, NULL, NULL));
	t_check("names it", FD_ISSET(outer, &set));
	drain(thread);
	FD_SET(outer, &set);
	t_say("pselect: %d", pselect(outer + 1, &set, NULL, NULL, &time, &none));
}

static volatile int handled;

static void handler(int signal T_UNUSED)
{
	handled++;
}

static void *waits(void *arg)
{
	struct epoll_event event;
	int n;

	waiting = true;
	n = epoll_wait((int)(intptr_t)arg, &event, 1, -1);
	return (void *)(intptr_t)(n < 0 ? -errno : n);
}

int main(void)
{
	pthread_t thread, poker;

	waker = T_OK(eventfd(0, 0));
	three();
	for (depth = 0; depth < MOST; depth++) {
		chain[depth] = T_OK(epoll_create1(0));
		if (add(chain[depth], depth ? chain[depth - 1] : waker))
			break;
	}
	t_say("depth %d: %s", depth, strerror(errno));
	wait_in_every_way(chain[depth - 1]);
	wait_in_every_way(chain[depth - 2]);

	t_handler(SIGUSR1, handler, SA_RESTART);
	thread = t_thread(waits, (void *)(intptr_t)chain[depth - 1]);
	t_settle();
	T_ZERO(pthread_kill(thread, SIGUSR1));
	t_say("interrupted: %s", strerror(-(int)(intptr_t)t_join(thread)));
	t_say("handled %d", handled);

	/* it grows under one who waits */
	inner = T_OK(epoll_create1(0));
	chain[0] = T_OK(epoll_create1(0));
	for (int i = 1; i < depth - 1; i++) {
		chain[i] = T_OK(epoll_create1(0));
		T_OK(add(chain[i], chain[i - 1]));
	}
	thread = t_thread(waits, (void *)(intptr_t)chain[depth - 2]);
	t_settle();
	T_OK(add(inner, waker));
	T_OK(add(chain[0], inner));
	poker = t_thread(pokes, NULL);
	t_say("it grew: %d", (int)(intptr_t)t_join(thread));
	drain(poker);
	return t_done();
}
