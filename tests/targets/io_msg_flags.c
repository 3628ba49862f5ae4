/* SPDX-License-Identifier: MIT */
/* MSG_WAITALL gathers, MSG_PEEK leaves, MSG_DONTWAIT never waits, on blocking sockets. */
#include "../helpers.h"

static int pair[2];

static void *gathers(void *arg T_UNUSED)
{
	char buffer[32] = "";

	t_say("waitall got %zd", recv(pair[0], buffer, 12, MSG_WAITALL));
	t_say("%.12s", buffer);
	t_say("peek got %zd", recv(pair[0], buffer, 5, MSG_PEEK));
	t_say("peek again got %zd", recv(pair[0], buffer, 32, MSG_PEEK));
	t_say("then %zd", recv(pair[0], buffer, 32, 0));
	t_say("waitall cut by the end got %zd", recv(pair[0], buffer, 32, MSG_WAITALL));
	t_say("at the end %zd", recv(pair[0], buffer, 32, MSG_WAITALL));
	return NULL;
}

static void talk(const char *name)
{
	pthread_t thread;
	char byte;

	t_say("%s", name);
	t_check("dontwait on an empty socket is EAGAIN",
		recv(pair[0], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	t_check("flags stay as they were", !(fcntl(pair[0], F_GETFL) & O_NONBLOCK));
	thread = t_thread(gathers, NULL);
	for (int i = 0; i < 3; i++) {
		t_nap(30);
		send(pair[1], "part", 4, 0);
	}
	t_nap(30);
	send(pair[1], "peekable", 8, 0);
	t_nap(60);
	send(pair[1], "tail", 4, 0);
	t_nap(30);
	shutdown(pair[1], SHUT_WR);
	t_join(thread);
	close(pair[0]);
	close(pair[1]);
}

static void fill(const char *name)
{
	static char block[65536];
	int64_t start = t_now_ms();
	ssize_t n;

	while ((n = send(pair[1], block, sizeof(block), MSG_DONTWAIT)) > 0)
		;
	t_say("%s full: %s", name, strerror(errno));
	t_check("without a wait", t_took(start, 0));
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	talk("unix");
	t_tcp_pair(pair);
	talk("tcp");
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	fill("unix");
	t_tcp_pair(pair);
	fill("tcp");
	return t_done();
}
