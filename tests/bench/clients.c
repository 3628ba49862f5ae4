/* SPDX-License-Identifier: MIT */
/*
 * Clients as everybody writes them first: a thread each, blocking calls. They send a message,
 * wait for the echo, compare it, and begin again.
 *
 * usage: clients -p PORT [-c THREADS] [-t SECONDS] [-n]     -n: a new connection each time
 */
#include "echo.h"
#include <stdatomic.h>

#define MESSAGE 64

static int port, fresh;
static atomic_int connected, stop, measuring;
static atomic_ulong answered;

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect", errno);
	echo_nodelay(fd);
	return fd;
}

/* By reset: no port stays in TIME_WAIT. */
static void hang_up(int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void ask(int fd, unsigned long id, unsigned long sequence)
{
	char text[MESSAGE] = "", answer[MESSAGE];
	size_t got = 0;

	snprintf(text, sizeof(text), "%lu %lu", id, sequence);
	if (send(fd, text, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
		die("send", errno);
	while (got < MESSAGE) {
		ssize_t n = recv(fd, answer + got, MESSAGE - got, 0);

		if (n <= 0)
			die("recv", n ? errno : ECONNRESET);
		got += n;
	}
	if (memcmp(text, answer, MESSAGE))
		die("comparing an answer", 0);
}

static void *client(void *arg)
{
	unsigned long id = (uintptr_t)arg, sequence = 0;
	int fd = -1;

	while (!stop) {
		if (fd < 0)
			fd = dial();
		ask(fd, id, sequence);
		if (!sequence++)
			connected++;
		if (measuring)
			answered++;
		if (fresh) {
			hang_up(fd);
			fd = -1;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int threads = 500, option;
	double seconds = 1;
	uint64_t begin, cpu;
	pthread_t *thread;

	while ((option = getopt(argc, argv, "p:c:t:n")) != -1) {
		if (option == 'p')
			port = atoi(optarg);
		else if (option == 'c')
			threads = atoi(optarg);
		else if (option == 't')
			seconds = atof(optarg);
		else if (option == 'n')
			fresh = 1;
		else
			return 2;
	}
	thread = calloc(threads, sizeof(*thread));
	if (!thread)
		die("calloc", ENOMEM);
	for (int i = 0; i < threads; i++)
		start(&thread[i], SMALL_STACK, client, (void *)(uintptr_t)i);
	while (connected < threads)
		usleep(10000);
	measuring = 1;
	begin = now_ns();
	cpu = cpu_ns();
	usleep(seconds * 1e6);
	measuring = 0;
	cpu = cpu_ns() - cpu;
	begin = now_ns() - begin;
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);

	result("per_second", answered / (begin / 1e9));
	result("cpu_us", cpu / 1e3 / answered);
	return 0;
}
