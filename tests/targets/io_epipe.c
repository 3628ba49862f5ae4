/* SPDX-License-Identifier: MIT */
/* A writer without readers gets EPIPE, and SIGPIPE goes to the writing thread alone. */
#include "../helpers.h"

static __thread int hits;
static volatile int total;

static void handler(int signal T_UNUSED)
{
	hits++;
	total++;
}

static void *writes(void *arg)
{
	int fd = *(int *)arg;

	if (write(fd, "x", 1) != -1 || errno != EPIPE)
		return (void *)1;
	return hits == 1 ? NULL : (void *)2;
}

static void *blocked_writer(void *arg)
{
	static char block[1 << 20];
	int fd = *(int *)arg;
	ssize_t n = write(fd, block, sizeof(block));

	/* the part that the pipe held counts as written, the next write fails */
	if (n > 0)
		n = write(fd, block, 1);
	return n == -1 && errno == EPIPE && hits >= 1 ? NULL : (void *)1;
}

static void check(const char *name, int pair[2])
{
	pthread_t thread;

	total = 0;
	close(pair[0]);
	t_say("%s: EPIPE with the signal in the thread: %d", name,
	      t_join(t_thread(writes, &pair[1])) == NULL);
	t_say("signals in all %d, in main %d", total, hits);
	signal(SIGPIPE, SIG_IGN);
	thread = t_thread(writes, &pair[1]);
	t_check("ignored, still EPIPE", t_join(thread) == (void *)2);
	t_handler(SIGPIPE, handler, 0);
	close(pair[1]);
}

int main(void)
{
	pthread_t thread;
	int pair[2];

	t_handler(SIGPIPE, handler, 0);
	T_OK(pipe(pair));
	check("pipe", pair);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	check("unix", pair);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	close(pair[0]);
	t_check("MSG_NOSIGNAL",
		send(pair[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE && hits == 0);
	T_OK(pipe(pair));
	thread = t_thread(blocked_writer, &pair[1]);
	t_settle();
	close(pair[0]);
	t_check("reader left under a waiting writer", t_join(thread) == NULL);
	return t_done();
}
