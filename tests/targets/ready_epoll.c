/* SPDX-License-Identifier: MIT */
/* epoll_wait, epoll_pwait and epoll_pwait2: timeouts, level, edge and one-shot, errors. */
#include "../helpers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

static int epoll;

static void control(int op, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	T_OK(epoll_ctl(epoll, op, fd, &event));
}

static int look(int timeout)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, timeout);
}

static void *pokes(void *arg)
{
	t_settle();
	T_OK(eventfd_write(*(int *)arg, 1));
	return NULL;
}

static void *all(void *arg T_UNUSED)
{
	struct timespec ts = t_timespec(50);
	struct epoll_event events[8];
	int wakers[3], file, pair[2];
	eventfd_t value;
	pthread_t thread;
	int64_t start;
	int n;

	epoll = T_OK(epoll_create1(EPOLL_CLOEXEC));
	for (int i = 0; i < 3; i++) {
		wakers[i] = T_OK(eventfd(0, 0));
		control(EPOLL_CTL_ADD, wakers[i], EPOLLIN);
	}
	t_say("no wait: %d", look(0));
	start = t_now_ms();
	t_say("50 ms: %d", look(50));
	t_check("after 50 ms", t_took(start, 50));
	start = t_now_ms();
	t_say("epoll_pwait: %d", epoll_pwait(epoll, events, 8, 50, NULL));
	t_check("after 50 ms", t_took(start, 50));
	start = t_now_ms();
	n = epoll_pwait2(epoll, events, 8, &ts, NULL);
	if (n < 0 && errno == ENOSYS) {
		n = 0;
		start = t_now_ms() - 50;
	}
	t_say("epoll_pwait2: %d", n);
	t_check("after 50 ms", t_took(start, 50));

	thread = t_thread(pokes, &wakers[1]);
	n = epoll_wait(epoll, events, 8, -1);
	t_check("the right one", n == 1 && events[0].data.fd == wakers[1]);
	t_join(thread);
	t_say("level, again: %d", look(0));
	eventfd_read(wakers[1], &value);
	t_say("drained: %d", look(0));

	control(EPOLL_CTL_MOD, wakers[0], EPOLLIN | EPOLLET);
	eventfd_write(wakers[0], 1);
	t_say("edge: %d", look(-1));
	t_say("edge, again: %d", look(30));
	eventfd_write(wakers[0], 1);
	t_say("edge, new data: %d", look(-1));
	control(EPOLL_CTL_MOD, wakers[2], EPOLLIN | EPOLLONESHOT);
	thread = t_thread(pokes, &wakers[2]);
	t_say("one shot: %d", look(-1));
	t_join(thread);
	t_say("one shot, again: %d", look(30));
	control(EPOLL_CTL_MOD, wakers[2], EPOLLIN | EPOLLONESHOT);
	t_say("one shot, armed again: %d", look(-1));

	T_OK(pipe(pair));
	control(EPOLL_CTL_ADD, pair[0], 0);
	close(pair[1]);
	n = epoll_wait(epoll, events, 8, -1);
	t_check("hang-up without asking", n == 1 && events[0].events == EPOLLHUP);
	close(pair[0]);
	t_say("closing took it out: %d", look(0));
	file = T_OK(open("file", O_CREAT | O_RDWR, 0600));
	t_check("a regular file is EPERM",
		epoll_ctl(epoll, EPOLL_CTL_ADD, file, &events[0]) == -1 && errno == EPERM);
	t_check("twice is EEXIST",
		epoll_ctl(epoll, EPOLL_CTL_ADD, wakers[0], &events[0]) == -1 && errno == EEXIST);
	t_check("no room is EINVAL", epoll_wait(epoll, events, 0, 0) == -1 && errno == EINVAL);
	t_check("not an epoll is EINVAL", epoll_wait(file, events, 1, 0) == -1 && errno == EINVAL);
	t_check("closed is EBADF", epoll_wait(999, events, 1, 0) == -1 && errno == EBADF);
	close(epoll);
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
