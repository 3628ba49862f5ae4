/* SPDX-License-Identifier: MIT */
/* A signalfd becomes ready in poll and epoll for signals of the process and of a child's end. */
#include "../helpers.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static int fd;

static unsigned next_signal(void)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? info.ssi_signo : 0;
}

static void *polls(void *arg T_UNUSED)
{
	struct pollfd poll_fd = {fd, POLLIN, 0};

	return (void *)(intptr_t)(poll(&poll_fd, 1, 5000) == 1 ? next_signal() : 0);
}

static void *waits(void *arg T_UNUSED)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = T_OK(epoll_create1(0));
	int ready;

	T_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	ready = epoll_wait(epoll, &event, 1, 5000);
	close(epoll);
	return (void *)(intptr_t)(ready == 1 ? next_signal() : 0);
}

static void *for_itself(void *arg T_UNUSED)
{
	raise(SIGUSR1);
	return polls(NULL);
}

int main(void)
{
	pthread_t thread;
	sigset_t set;
	pid_t child;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = T_OK(signalfd(-1, &set, SFD_NONBLOCK));
	t_check("nothing yet", next_signal() == 0 && errno == EAGAIN);
	thread = t_thread(polls, NULL);
	t_settle();
	T_OK(kill(getpid(), SIGUSR1));
	t_check("poll", (intptr_t)t_join(thread) == SIGUSR1);
	thread = t_thread(waits, NULL);
	t_settle();
	T_OK(kill(getpid(), SIGUSR1));
	t_check("epoll", (intptr_t)t_join(thread) == SIGUSR1);
	t_check("a thread's own", (intptr_t)t_join(t_thread(for_itself, NULL)) == SIGUSR1);
	thread = t_thread(polls, NULL);
	child = T_OK(fork());
	if (child == 0) {
		t_nap(50);
		_exit(0);
	}
	t_check("a child's end", (intptr_t)t_join(thread) == SIGCHLD);
	t_say("child %d", t_reap(child));
	return t_done();
}
