/* SPDX-License-Identifier: MIT */
/* A thread reads a socket while another writes to the same one, in both directions at once. */
#include "../helpers.h"

#define SIZE (1 << 20)

static char *data;

static void *writes(void *arg)
{
	int fd = *(int *)arg;

	t_write_all(fd, data, SIZE);
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void *reads(void *arg)
{
	char buffer[3001];
	uint32_t sum = 1;
	ssize_t n;

	while ((n = read(*(int *)arg, buffer, sizeof(buffer))) > 0)
		sum = t_checksum(sum, buffer, n);
	return (void *)(uintptr_t)sum;
}

static void exchange(const char *name, int pair[2])
{
	pthread_t threads[4];
	bool whole;

	for (int i = 0; i < 2; i++) {
		threads[i] = t_thread(reads, &pair[i]);
		threads[2 + i] = t_thread(writes, &pair[i]);
	}
	whole = t_join(threads[0]) == (void *)(uintptr_t)t_checksum(1, data, SIZE);
	whole &= t_join(threads[1]) == (void *)(uintptr_t)t_checksum(1, data, SIZE);
	t_join(threads[2]);
	t_join(threads[3]);
	t_check(name, whole);
}

static void *ping(void *arg)
{
	intptr_t rounds = 0;
	int fd = *(int *)arg;
	char byte;

	while (read(fd, &byte, 1) == 1 && byte < 100) {
		byte++;
		T_OK(write(fd, &byte, 1));
		rounds++;
	}
	shutdown(fd, SHUT_RDWR);
	return (void *)rounds;
}

int main(void)
{
	pthread_t a, b;
	int pair[2];
	long rounds;

	data = malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		data[i] = i * 7 + (i >> 9);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	exchange("unix", pair);
	t_tcp_pair(pair);
	exchange("tcp", pair);
	t_tcp_pair(pair);
	a = t_thread(ping, &pair[0]);
	b = t_thread(ping, &pair[1]);
	T_OK(write(pair[0], "\0", 1));
	rounds = (intptr_t)t_join(a) + (intptr_t)t_join(b);
	t_say("ping pong %ld", rounds);
	return t_done();
}
