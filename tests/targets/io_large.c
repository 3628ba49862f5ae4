/* SPDX-License-Identifier: MIT */
/* Eight megabytes go through a pipe and sockets in one write while the reader is slow. */
#include "../helpers.h"

#include <sys/uio.h>

#define SIZE (8 << 20)

static char *data;
static uint32_t expected;

static void *reads(void *arg)
{
	static char buffer[65536];
	uint32_t sum = 2166136261u;
	int fd = *(int *)arg, calls = 0;
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		sum = t_checksum(sum, buffer, n);
		if (++calls % 16 == 0)
			t_nap(1);
	}
	return (void *)(intptr_t)(sum == expected);
}

static ssize_t in_one_write(int fd)
{
	return write(fd, data, SIZE);
}

static ssize_t in_one_writev(int fd)
{
	struct iovec parts[64];

	for (int i = 0; i < 64; i++)
		parts[i] = (struct iovec){data + i * (SIZE / 64), SIZE / 64};
	return writev(fd, parts, 64);
}

static ssize_t in_one_sendmsg(int fd)
{
	struct iovec parts[2] = {{data, 1000}, {data + 1000, SIZE - 1000}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	return sendmsg(fd, &message, 0);
}

static ssize_t in_one_send(int fd)
{
	return send(fd, data, SIZE, 0);
}

static void move(const char *name, int from, int to, ssize_t (*put)(int))
{
	pthread_t reader = t_thread(reads, &from);

	t_say("%s wrote %zd", name, put(to));
	close(to);
	t_check("all arrived whole", t_join(reader) != NULL);
	close(from);
}

int main(void)
{
	int ends[2];

	data = malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		data[i] = (i * 2654435761u) >> 24;
	expected = t_checksum(2166136261u, data, SIZE);
	T_OK(pipe(ends));
	move("pipe, write", ends[0], ends[1], in_one_write);
	T_OK(pipe(ends));
	move("pipe, writev", ends[0], ends[1], in_one_writev);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	move("unix, write", ends[0], ends[1], in_one_write);
	t_tcp_pair(ends);
	move("tcp, write", ends[0], ends[1], in_one_write);
	t_tcp_pair(ends);
	move("tcp, writev", ends[0], ends[1], in_one_writev);
	t_tcp_pair(ends);
	move("tcp, sendmsg", ends[0], ends[1], in_one_sendmsg);
	t_tcp_pair(ends);
	move("tcp, send", ends[0], ends[1], in_one_send);
	return t_done();
}
