/* SPDX-License-Identifier: MIT */
/*
 * Reads that get less than they asked for, with more behind: the end, urgent data, messages,
 * descriptors on their way. And what comes while the reader does something else.
 */
#include <semaphore.h>
#include <sys/un.h>

#include "../helpers.h"

static char buffer[4096];
static sem_t began, rest_sent;

/* Waits once, so that whoever watches the descriptor does so from now on. */
static void *reads(void *arg)
{
	int fd = *(int *)arg;
	ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

	t_say("  first %zd", n);
	T_OK(sem_post(&began));
	T_OK(sem_wait(&rest_sent));
	t_nap(20); /* it is seen meanwhile */
	for (int i = 0; i < 8 && n > 0; i++) {
		n = recv(fd, buffer, sizeof(buffer), 0);
		t_say("  then %zd %.*s", n, n > 0 ? (int)n : 0, buffer);
	}
	return NULL;
}

static void put(int fd, const char *text, int flags)
{
	T_OK(send(fd, text, strlen(text), flags));
}

static void put_descriptor(int fd, const char *text)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec iov = {(char *)text, strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	T_OK(sendmsg(fd, &msg, 0));
}

static void check(const char *name, int pair[2], void (*send_rest)(int fd))
{
	pthread_t thread = t_thread(reads, &pair[0]);

	t_say("%s", name);
	t_settle();
	put(pair[1], "begin", 0);
	T_OK(sem_wait(&began));
	send_rest(pair[1]);
	t_join(thread);
	close(pair[0]);
	close(pair[1]);
}

static void ends(int fd)
{
	put(fd, "last", 0);
	T_OK(shutdown(fd, SHUT_WR));
	T_OK(sem_post(&rest_sent));
}

/* The reader waits again by then, most likely. */
static void end_later(int fd)
{
	T_OK(sem_post(&rest_sent));
	t_nap(100);
	T_OK(shutdown(fd, SHUT_WR));
}

static void ends_later(int fd)
{
	put(fd, "last", 0);
	end_later(fd);
}

static void sends_urgent(int fd)
{
	put(fd, "before", 0);
	put(fd, "!", MSG_OOB);
	put(fd, "after", 0);
	end_later(fd);
}

static void sends_messages(int fd)
{
	for (int i = 0; i < 6; i++)
		put(fd, "message", 0);
	T_OK(send(fd, "", 0, 0));
	T_OK(sem_post(&rest_sent));
}

static void sends_descriptors(int fd)
{
	put(fd, "plain", 0);
	put_descriptor(fd, "with");
	put_descriptor(fd, "another");
	put(fd, "plain", 0);
	end_later(fd);
}

/* One that accepts, and more that come than it has waited for. */
static void *accepts(void *arg)
{
	for (int i = 0; i < 6; i++) {
		int fd = accept(*(int *)arg, NULL, NULL);

		T_OK(fd);
		close(fd);
		if (i == 0)
			t_nap(60);
	}
	return NULL;
}

static void check_accept(void)
{
	struct sockaddr_in address;
	int listener = t_listener(&address), fd[6];
	pthread_t thread = t_thread(accepts, &listener);

	t_settle();
	for (int i = 0; i < 6; i++)
		fd[i] = t_connect(&address);
	t_join(thread);
	t_say("accepted");
	for (int i = 0; i < 6; i++)
		close(fd[i]);
	close(listener);
}

/* A datagram socket that is not connected polls writable, whoever it cannot send to. */
static void *takes_late(void *arg)
{
	t_nap(60);
	for (int n = 0; n < 500; n++)
		T_OK(recv(*(int *)arg, buffer, sizeof(buffer), 0));
	return NULL;
}

static void check_full(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(to);
	int in = socket(AF_UNIX, SOCK_DGRAM, 0), out = socket(AF_UNIX, SOCK_DGRAM, 0);
	pthread_t thread;

	T_OK(bind(in, (struct sockaddr *)&to, sizeof(sa_family_t))); /* a name of the kernel's */
	T_OK(getsockname(in, (struct sockaddr *)&to, &len));
	thread = t_thread(takes_late, &in);
	for (int n = 0; n < 500; n++)
		T_OK(sendto(out, "x", 1, 0, (struct sockaddr *)&to, len));
	t_join(thread);
	t_say("sent");
}

int main(void)
{
	int pair[2];

	T_OK(sem_init(&began, 0, 0));
	T_OK(sem_init(&rest_sent, 0, 0));
	t_tcp_pair(pair);
	check("tcp: the end at once", pair, ends);
	t_tcp_pair(pair);
	check("tcp: the end later", pair, ends_later);
	t_tcp_pair(pair);
	check("tcp: urgent data", pair, sends_urgent);
	t_udp_pair(pair);
	check("udp", pair, sends_messages);
	T_OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	check("packets", pair, sends_messages);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check("unix: the end at once", pair, ends);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check("unix: descriptors", pair, sends_descriptors);
	check_accept();
	check_full();
	return t_done();
}
