/* SPDX-License-Identifier: MIT */
/* Two threads wait in one epoll, members are added, changed and closed meanwhile by others. */
#include "../helpers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

static int epoll, stop;
static int handled[2];

static void add(int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	T_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void *waits_one(void *arg)
{
	struct epoll_event event;

	return (void *)(intptr_t)epoll_wait(epoll, &event, 1, (intptr_t)arg);
}

static void *serves(void *arg)
{
	int *count = arg;

	for (;;) {
		struct epoll_event event, again = {.events = EPOLLIN | EPOLLONESHOT};
		char byte;

		T_OK(epoll_wait(epoll, &event, 1, -1));
		if (event.data.fd == stop)
			return NULL;
		T_OK(read(event.data.fd, &byte, 1));
		byte++;
		T_OK(write(event.data.fd, &byte, 1));
		__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
		again.data.fd = event.data.fd;
		T_OK(epoll_ctl(epoll, EPOLL_CTL_MOD, event.data.fd, &again));
	}
}

static void *client(void *arg)
{
	int fd = *(int *)arg;
	intptr_t wrong = 0;

	for (char i = 0; i < 50; i++) {
		char byte = i;

		T_OK(write(fd, &byte, 1));
		T_OK(read(fd, &byte, 1));
		wrong += byte != i + 1;
	}
	return (void *)wrong;
}

int main(void)
{
	pthread_t servers[2], clients[8], a, b;
	int pairs[8][2], pair[2], waker;
	intptr_t wrong = 0, ready;

	epoll = T_OK(epoll_create1(0));
	a = t_thread(waits_one, (void *)-1);
	t_settle();
	waker = T_OK(eventfd(1, 0));
	add(waker, EPOLLIN);
	t_say("added while waited for: %ld", (long)(intptr_t)t_join(a));
	T_OK(epoll_ctl(epoll, EPOLL_CTL_DEL, waker, NULL));

	T_OK(pipe(pair));
	add(pair[0], EPOLLIN);
	a = t_thread(waits_one, (void *)200);
	t_settle();
	close(pair[0]);
	close(pair[1]);
	t_say("closed while waited for: %ld", (long)(intptr_t)t_join(a));

	waker = T_OK(eventfd(0, 0));
	add(waker, EPOLLIN | EPOLLET);
	a = t_thread(waits_one, (void *)300);
	b = t_thread(waits_one, (void *)300);
	t_settle();
	eventfd_write(waker, 1);
	ready = (intptr_t)t_join(a) + (intptr_t)t_join(b);
	t_say("an edge wakes one of two: %ld", (long)ready);
	close(waker);

	stop = T_OK(eventfd(0, 0));
	add(stop, EPOLLIN);
	for (int i = 0; i < 8; i++) {
		T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		add(pairs[i][0], EPOLLIN | EPOLLONESHOT);
	}
	for (int i = 0; i < 2; i++)
		servers[i] = t_thread(serves, &handled[i]);
	for (int i = 0; i < 8; i++)
		clients[i] = t_thread(client, &pairs[i][1]);
	for (int i = 0; i < 8; i++)
		wrong += (intptr_t)t_join(clients[i]);
	eventfd_write(stop, 1);
	for (int i = 0; i < 2; i++)
		t_join(servers[i]);
	t_say("handled %d wrong %ld", handled[0] + handled[1], (long)wrong);
	return t_done();
}
