/* SPDX-License-Identifier: MIT */
/* SO_RCVTIMEO and SO_SNDTIMEO end reads, accepts, writes and connects on time. */
#include "../helpers.h"

#include <sys/un.h>

static void set(int fd, int option, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};

	T_OK(setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)));
}

static void check(int pair[2])
{
	static char block[1 << 20];
	int64_t start;
	ssize_t n, sent = 0;
	char buffer[16];

	set(pair[0], SO_RCVTIMEO, 80);
	start = t_now_ms();
	t_check("read times out", read(pair[0], buffer, 1) == -1 && errno == EAGAIN);
	t_check("after 80 ms", t_took(start, 80));
	start = t_now_ms();
	t_check("recvmsg times out", recv(pair[0], buffer, 1, 0) == -1 && errno == EAGAIN);
	t_check("after 80 ms", t_took(start, 80));
	T_OK(write(pair[1], "abc", 3));
	start = t_now_ms();
	t_say("waitall got %zd", recv(pair[0], buffer, 10, MSG_WAITALL));
	t_check("after 80 ms", t_took(start, 80));

	set(pair[1], SO_SNDTIMEO, 80);
	/* once more after a while, since TCP moves data on to the receiver and has room again */
	for (int i = 0; i < 3; i++) {
		while ((n = send(pair[1], block, sizeof(block), MSG_DONTWAIT)) > 0)
			sent += n;
		t_nap(50);
	}
	start = t_now_ms();
	t_check("write times out", write(pair[1], block, sizeof(block)) == -1 && errno == EAGAIN);
	t_check("after 80 ms", t_took(start, 80));
	set(pair[0], SO_RCVTIMEO, 0);
	t_check("data is still there", sent > 0 && read(pair[0], buffer, 1) == 1);
}

static void *in_thread(void *arg)
{
	check(arg);
	return NULL;
}

int main(void)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "socket"};
	struct sockaddr_in address;
	int pair[2], listener, fd;
	int64_t start;

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check(pair);
	t_tcp_pair(pair);
	t_join(t_thread(in_thread, pair));

	listener = t_listener(&address);
	set(listener, SO_RCVTIMEO, 80);
	start = t_now_ms();
	t_check("accept times out", accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
	t_check("after 80 ms", t_took(start, 80));

	listener = T_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	T_OK(bind(listener, (struct sockaddr *)&path, sizeof(path)));
	T_OK(listen(listener, 0));
	fd = T_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	T_OK(connect(fd, (struct sockaddr *)&path, sizeof(path)));
	fd = T_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	set(fd, SO_SNDTIMEO, 80);
	start = t_now_ms();
	t_check("connect times out",
		connect(fd, (struct sockaddr *)&path, sizeof(path)) == -1 && errno == EAGAIN);
	t_check("after 80 ms", t_took(start, 80));
	return t_done();
}
