/* SPDX-License-Identifier: MIT */
/* ppoll, pselect and epoll_pwait let signals in for their wait, and only then. */
#include "../helpers.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static __thread volatile int hits;
static int ends[2], epoll;
static sem_t ready;

static void handler(int signal T_UNUSED)
{
	hits++;
}

static int wait_with(int how, int ms, const sigset_t *mask)
{
	struct pollfd poll_fd = {ends[0], POLLIN, 0};
	struct timespec ts = t_timespec(ms);
	struct epoll_event event;
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	switch (how) {
	case 0:
		return ppoll(&poll_fd, 1, &ts, mask);
	case 1:
		return pselect(ends[0] + 1, &set, NULL, NULL, &ts, mask);
	default:
		return epoll_pwait(epoll, &event, 1, ms, mask);
	}
}

static void *all(void *arg)
{
	int how = (intptr_t)arg;
	sigset_t none, now;

	hits = 0;
	sigemptyset(&none);
	raise(SIGUSR1);
	t_say("call %d: pending, mask keeps it out: %d", how, wait_with(how, 30, NULL));
	t_check("pending, let in",
		wait_with(how, 5000, &none) == -1 && errno == EINTR && hits == 1);
	sem_post(&ready);
	t_check("sent meanwhile", wait_with(how, 5000, &none) == -1 && errno == EINTR && hits == 2);
	pthread_sigmask(SIG_SETMASK, NULL, &now);
	t_check("mask is back", sigismember(&now, SIGUSR1));
	T_OK(write(ends[1], "x", 1));
	raise(SIGUSR1);
	t_say("ready, and a signal pending: %d", wait_with(how, 5000, NULL));
	T_OK(read(ends[0], &now, 1));
	t_check("still pending", hits == 2);
	t_say("times out: %d", wait_with(how, 30, NULL));
	return NULL;
}

int main(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	t_handler(SIGUSR1, handler, SA_RESTART);
	sem_init(&ready, 0, 0);
	T_OK(pipe(ends));
	epoll = T_OK(epoll_create1(0));
	T_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (intptr_t i = 0; i < 3; i++) {
		pthread_t thread = t_thread(all, (void *)i);

		sem_wait(&ready);
		t_settle();
		T_ZERO(pthread_kill(thread, SIGUSR1));
		t_join(thread);
	}
	return t_done();
}
