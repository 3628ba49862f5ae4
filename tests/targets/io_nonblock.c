/* SPDX-License-Identifier: MIT */
/* O_NONBLOCK means what the program says: EAGAIN with it, waiting without it, flags untouched. */
#include "../helpers.h"

#include <sys/ioctl.h>

static void *reads(void *arg)
{
	char byte;

	return (void *)(intptr_t)read(*(int *)arg, &byte, 1);
}

static void *accepts(void *arg)
{
	return (void *)(intptr_t)accept(*(int *)arg, NULL, NULL);
}

static void check(const char *name, int pair[2])
{
	static char block[65536];
	int flags = fcntl(pair[0], F_GETFL), copy = dup(pair[0]), on = 1;
	pthread_t thread;
	char byte;

	t_say("%s", name);
	thread = t_thread(reads, &pair[0]);
	t_settle();
	t_check("flags while a read waits", fcntl(copy, F_GETFL) == flags);
	T_OK(write(pair[1], "x", 1));
	t_check("read waited", (intptr_t)t_join(thread) == 1);
	t_check("flags after the read", fcntl(pair[0], F_GETFL) == flags);

	T_OK(fcntl(pair[0], F_SETFL, flags | O_NONBLOCK));
	t_check("read is EAGAIN", read(pair[0], &byte, 1) == -1 && errno == EAGAIN);
	t_check("flag is kept", fcntl(copy, F_GETFL) & O_NONBLOCK);
	T_OK(fcntl(copy, F_SETFL, flags));
	thread = t_thread(reads, &pair[0]);
	t_settle();
	T_OK(write(pair[1], "x", 1));
	t_check("cleared through the copy", (intptr_t)t_join(thread) == 1);

	T_OK(ioctl(pair[1], FIONBIO, &on));
	while (write(pair[1], block, sizeof(block)) > 0)
		;
	t_check("write on a full one is EAGAIN", errno == EAGAIN);
	close(copy);
}

int main(void)
{
	struct sockaddr_in address;
	int pair[2], listener, client, server;
	pthread_t thread;
	char byte;

	T_OK(pipe(pair));
	check("pipe", pair);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check("unix", pair);
	t_tcp_pair(pair);
	check("tcp", pair);
	T_OK(pipe2(pair, O_NONBLOCK));
	t_check("pipe2 with the flag", read(pair[0], &byte, 1) == -1 && errno == EAGAIN);

	listener = t_listener(&address);
	T_OK(fcntl(listener, F_SETFL, O_NONBLOCK));
	t_check("accept is EAGAIN", accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
	T_OK(fcntl(listener, F_SETFL, 0));
	thread = t_thread(accepts, &listener);
	t_settle();
	client = T_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	t_check("connect answers at once",
		connect(client, (struct sockaddr *)&address, sizeof(address)) == 0 ||
			errno == EINPROGRESS);
	server = (intptr_t)t_join(thread);
	t_check("accept waited", server > 0);
	t_check("accepted socket blocks", !(fcntl(server, F_GETFL) & O_NONBLOCK));
	t_check("connected socket does not", fcntl(client, F_GETFL) & O_NONBLOCK);
	return t_done();
}
