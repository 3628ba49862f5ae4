/* SPDX-License-Identifier: MIT */
/* A signal to a thread in a waiting call runs there; the call then ends or goes on by the rules. */
#include "../helpers.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

static int pipe_ends[2], pair[2], timed[2], listener, word;
static struct sockaddr_in address;
static sem_t sem;
static pid_t child;
static pthread_t target;
static int hits, strays;

static void handler(int signal T_UNUSED)
{
	/* uses libc, as handlers do */
	char text[32];

	snprintf(text, sizeof(text), "%p", (void *)text);
	if (pthread_equal(pthread_self(), target))
		hits++;
	else
		strays++;
}

static char byte;

static long do_read(void)
{
	return read(pipe_ends[0], &byte, 1);
}

static long do_recv(void)
{
	return recv(pair[0], &byte, 1, 0);
}

static long do_recv_timed(void)
{
	return recv(timed[0], &byte, 1, 0);
}

static long do_accept(void)
{
	return accept(listener, NULL, NULL) > 0 ? 1 : -1;
}

static long do_wait(void)
{
	return waitpid(child, NULL, 0) > 0 ? 1 : -1;
}

static long do_sem(void)
{
	return sem_wait(&sem);
}

static long do_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static long do_sem_timed(void)
{
	struct timespec until = t_after(CLOCK_REALTIME, 5000);

	return sem_timedwait(&sem, &until);
}

static long do_nanosleep(void)
{
	struct timespec ts = t_timespec(5000);

	return nanosleep(&ts, NULL);
}

static long do_poll(void)
{
	struct pollfd poll_fd = {pipe_ends[0], POLLIN, 0};

	return poll(&poll_fd, 1, -1);
}

static long do_select(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(pipe_ends[0], &set);
	return select(pipe_ends[0] + 1, &set, NULL, NULL, NULL);
}

static long do_epoll(void)
{
	struct epoll_event event = {.events = EPOLLIN};
	int epoll = epoll_create1(0), error;
	long result;

	T_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &event));
	result = epoll_wait(epoll, &event, 1, -1);
	error = errno;
	close(epoll);
	errno = error;
	return result;
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
	{"read", do_read},
	{"recv", do_recv},
	{"recv, timed", do_recv_timed},
	{"accept", do_accept},
	{"waitpid", do_wait},
	{"sem_wait", do_sem},
	{"futex", do_futex},
	{"sem_timedwait", do_sem_timed},
	{"nanosleep", do_nanosleep},
	{"poll", do_poll},
	{"select", do_select},
	{"epoll_wait", do_epoll},
};

static void *runs(void *arg)
{
	long (*call)(void) = calls[(intptr_t)arg].call;
	long result = call();

	return (void *)(result < 0 ? -(intptr_t)errno : (intptr_t)result);
}

static void drain(int fd)
{
	while (recv(fd, &byte, 1, MSG_DONTWAIT) > 0)
		;
}

static void round_of(const char *name, int flags)
{
	t_say("%s", name);
	t_handler(SIGUSR1, handler, flags);
	for (size_t i = 0; i < T_COUNT(calls); i++) {
		int client;
		intptr_t result;

		hits = 0;
		T_OK(pipe(pipe_ends));
		drain(pair[0]);
		drain(timed[0]);
		sem_init(&sem, 0, 0);
		listener = t_listener(&address);
		/* Not for the others: its SIGCHLD, while glibc blocks all signals, is no
		   longer ignored and ends the next thread's call without any handler. */
		child = calls[i].call == do_wait ? T_OK(fork()) : 0;
		if (calls[i].call == do_wait && child == 0) {
			t_nap(500);
			_exit(0);
		}
		target = t_thread(runs, (void *)i);
		t_settle();
		T_ZERO(pthread_kill(target, SIGUSR1));
		t_settle();
		/* only a call that was restarted still waits for these */
		T_OK(write(pipe_ends[1], "x", 1));
		T_OK(write(pair[1], "x", 1));
		T_OK(write(timed[1], "x", 1));
		client = t_connect(&address);
		sem_post(&sem);
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		result = (intptr_t)t_join(target);
		if (result < 0)
			t_say("%s: %s, handled %d", calls[i].name, strerror(-result), hits);
		else
			t_say("%s: %ld, handled %d", calls[i].name, (long)result, hits);
		if (child)
			waitpid(child, NULL, 0);
		close(client);
		close(listener);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
	}
	t_say("handled elsewhere %d", strays);
}

int main(void)
{
	struct timeval tv = {5, 0};

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, timed));
	T_OK(setsockopt(timed[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	round_of("without SA_RESTART", 0);
	round_of("with SA_RESTART", SA_RESTART);
	return t_done();
}
