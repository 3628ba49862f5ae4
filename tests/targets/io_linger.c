/* SPDX-License-Identifier: MIT */
/* close() of a socket with SO_LINGER waits until the peer has all of it, and holds up nobody. */
#include "../helpers.h"

#define SIZE (4 << 20)

static volatile int ticks;
static volatile bool closed, over;
static char *data;

static void *closes(void *arg)
{
	int64_t start = t_now_ms();
	int fd = (int)(intptr_t)arg;

	t_say("close %d", close(fd));
	closed = true;
	t_check("it waited", t_now_ms() - start >= 200);
	return NULL;
}

static void *ticks_on(void *arg T_UNUSED)
{
	while (!over) {
		t_nap(1);
		ticks++;
	}
	return NULL;
}

static void handler(int signal T_UNUSED)
{
}

static int fill(int fd)
{
	int total = 0, n;

	while ((n = (int)send(fd, data, 65536, MSG_DONTWAIT)) > 0)
		total += n;
	return total;
}

static int drain(int fd)
{
	int total = 0, n;

	while ((n = (int)read(fd, data, SIZE)) > 0)
		total += n;
	return n < 0 ? n : total;
}

int main(void)
{
	struct linger linger = {1, 10};
	pthread_t closer, ticker = t_thread(ticks_on, NULL);
	int pair[2], sent, before;

	data = calloc(1, SIZE);
	t_handler(SIGUSR1, handler, SA_RESTART);
	t_tcp_pair(pair);
	T_OK(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	sent = fill(pair[0]);
	before = ticks;
	closer = t_thread(closes, (void *)(intptr_t)pair[0]);
	t_nap(300);
	t_check("the others went on", ticks - before >= 5);
	t_check("the number is free", fcntl(pair[0], F_GETFD) == -1 && errno == EBADF);
	t_check("close waits", !closed);
	before = drain(pair[1]);
	t_join(closer);
	t_check("all of it came", before == sent);
	close(pair[1]);

	/* a signal ends the waiting, not the closing */
	t_tcp_pair(pair);
	T_OK(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	sent = fill(pair[0]);
	closed = false;
	closer = t_thread(closes, (void *)(intptr_t)pair[0]);
	t_nap(300);
	T_ZERO(pthread_kill(closer, SIGUSR1));
	t_join(closer);
	t_check("all of it comes later", drain(pair[1]) == sent);
	over = true;
	t_join(ticker);
	return t_done();
}
