/* SPDX-License-Identifier: MIT */
/* Deferred cancellation ends a thread at its waiting call, after its cleanup handlers. */
#include "../helpers.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/un.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t forever;
static int ends[2], pair[2], listener, cleaned;
static sem_t sem;

static void clean(void *arg)
{
	cleaned++;
	if (arg)
		pthread_mutex_unlock(arg);
}

static void waits(int how)
{
	struct pollfd poll_fd = {ends[0], POLLIN, 0};
	struct timespec until;
	fd_set set;
	char byte;
	int signal;
	sigset_t signals;

	switch (how) {
	case 0:
		T_OK(read(ends[0], &byte, 1));
		break;
	case 1:
		sleep(20);
		break;
	case 2:
		usleep(20000000);
		break;
	case 3:
		sem_wait(&sem);
		break;
	case 4:
		pthread_join(forever, NULL);
		break;
	case 5:
		accept(listener, NULL, NULL);
		break;
	case 6:
		poll(&poll_fd, 1, -1);
		break;
	case 7:
		FD_ZERO(&set);
		FD_SET(ends[0], &set);
		select(ends[0] + 1, &set, NULL, NULL, NULL);
		break;
	case 8:
		pause();
		break;
	case 9:
		until = t_after(CLOCK_REALTIME, 20000);
		sem_timedwait(&sem, &until);
		break;
	case 10:
		sigemptyset(&signals);
		sigaddset(&signals, SIGUSR1);
		sigwait(&signals, &signal);
		break;
	case 11:
		wait(NULL);
		break;
	}
}

static void *in_call(void *arg)
{
	pthread_cleanup_push(clean, NULL);
	waits((intptr_t)arg);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *in_cond(void *arg T_UNUSED)
{
	pthread_mutex_lock(&lock);
	pthread_cleanup_push(clean, &lock);
	for (;;)
		pthread_cond_wait(&cond, &lock);
	pthread_cleanup_pop(1);
	return NULL;
}

/* The calls have nothing to wait for, but the thread is cancelled already. */
static void *sends(void *arg T_UNUSED)
{
	pthread_cleanup_push(clean, NULL);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	t_say("sent %zd", send(pair[1], "a", 1, 0));
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	t_say("sent %zd", send(pair[1], "b", 1, 0));
	pthread_cleanup_pop(0);
	return NULL;
}

static void *sleeps(void *arg T_UNUSED)
{
	pause();
	return NULL;
}

int main(void)
{
	struct sockaddr_in address;
	pthread_t thread;
	char bytes[8];
	bool canceled;
	pid_t child;

	T_OK(pipe(ends));
	listener = t_listener(&address);
	sem_init(&sem, 0, 0);
	forever = t_thread(sleeps, NULL);
	child = T_OK(fork());
	if (child == 0) {
		t_nap(15000);
		_exit(0);
	}
	for (intptr_t how = 0; how < 12; how++) {
		cleaned = 0;
		thread = t_thread(in_call, (void *)how);
		t_nap(30);
		T_ZERO(pthread_cancel(thread));
		canceled = t_join(thread) == PTHREAD_CANCELED;
		t_say("call %d: canceled %d cleaned %d", (int)how, canceled, cleaned);
	}
	cleaned = 0;
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	canceled = t_join(t_thread(sends, NULL)) == PTHREAD_CANCELED;
	t_say("send: canceled %d cleaned %d, there are %zd", canceled, cleaned,
	      recv(pair[0], bytes, sizeof(bytes), MSG_DONTWAIT));
	cleaned = 0;
	thread = t_thread(in_cond, NULL);
	t_nap(30);
	T_ZERO(pthread_cancel(thread));
	canceled = t_join(thread) == PTHREAD_CANCELED;
	t_say("condition: canceled %d cleaned %d", canceled, cleaned);
	t_say("its mutex is free: %s", strerror(pthread_mutex_trylock(&lock)));
	T_ZERO(pthread_cancel(forever));
	t_check("still joinable", t_join(forever) == PTHREAD_CANCELED);
	T_OK(kill(child, SIGKILL));
	t_say("child %d", t_reap(child));
	return t_done();
}
