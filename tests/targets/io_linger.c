/* SPDX-License-Identifier: MIT */
/*
 * Closing a socket with SO_LINGER waits until the peer has all of it, and holds up nobody: by
 * close, and where dup2 or close_range close it.
 */
#include "../helpers.h"

#define SIZE (4 << 20)

static volatile int ticks;
static volatile bool closed, over;
static char *data;
static enum { CLOSE, DUP2, RANGE, WAYS } way;

static int close_it(int fd)
{
	switch (way) {
	case DUP2:
		return dup2(0, fd) == fd ? 0 : -1;
	case RANGE:
		return close_range((unsigned)fd, (unsigned)fd, 0);
	default:
		return close(fd);
	}
}

static void *closes(void *arg)
{
	int64_t start = t_now_ms();
	int fd = (int)(intptr_t)arg;

	t_say("closed: %d", close_it(fd));
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

static void lingers(void)
{
	struct linger linger = {1, 10};
	pthread_t closer;
	int pair[2], sent, before;

	t_tcp_pair(pair);
	T_OK(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	sent = fill(pair[0]);
	closed = false;
	before = ticks;
	closer = t_thread(closes, (void *)(intptr_t)pair[0]);
	/* on a busy machine a tick takes its time */
	for (int late = 0; late < 10 && ticks - before < 5; late++)
		t_nap(300);
	t_check("the others went on", ticks - before >= 5);
	if (way == DUP2)
		t_check("the number is another's",
			send(pair[0], "", 1, 0) == -1 && errno == ENOTSOCK);
	else
		t_check("the number is free", fcntl(pair[0], F_GETFD) == -1 && errno == EBADF);
	t_check("who closes waits", !closed);
	before = drain(pair[1]);
	t_join(closer);
	t_check("all of it came", before == sent);
	close(pair[1]);
	if (way == DUP2)
		close(pair[0]);
}

static void interrupted(void)
{
	struct linger linger = {1, 10};
	pthread_t closer;
	int pair[2], sent;

	t_tcp_pair(pair);
	T_OK(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	sent = fill(pair[0]);
	closer = t_thread(closes, (void *)(intptr_t)pair[0]);
	t_nap(300);
	T_ZERO(pthread_kill(closer, SIGUSR1));
	t_join(closer);
	t_check("all of it comes later", drain(pair[1]) == sent);
}

int main(void)
{
	pthread_t ticker = t_thread(ticks_on, NULL);

	data = calloc(1, SIZE);
	t_handler(SIGUSR1, handler, SA_RESTART);
	for (way = CLOSE; way < WAYS; way++) {
		lingers();
		interrupted();
	}
	over = true;
	t_join(ticker);
	return t_done();
}
