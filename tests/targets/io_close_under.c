/* SPDX-License-Identifier: MIT */
/* close and dup2 of a descriptor under a reader leave it waiting for what it began to read. */
#include "../helpers.h"

static void *reads(void *arg)
{
	char *text = calloc(1, 16);
	ssize_t n = read(*(int *)arg, text, 15);

	if (n < 0)
		snprintf(text, 16, "errno %d", errno);
	return text;
}

static void close_under(const char *name, int pair[2])
{
	pthread_t reader = t_thread(reads, &pair[0]);
	char *text, byte;

	t_settle();
	T_OK(close(pair[0]));
	t_settle();
	t_check("closed for others", read(pair[0], &byte, 1) == -1 && errno == EBADF);
	T_OK(write(pair[1], "late", 4));
	text = t_join(reader);
	t_say("%s closed: reader got %s", name, text);
	free(text);
	close(pair[1]);
}

static void dup_over(const char *name, int pair[2])
{
	pthread_t reader = t_thread(reads, &pair[0]);
	int other[2];
	char *text;

	T_OK(pipe(other));
	t_settle();
	T_OK(dup2(other[0], pair[0]));
	T_OK(write(other[1], "new", 3));
	t_settle();
	T_OK(write(pair[1], "old", 3));
	text = t_join(reader);
	t_say("%s replaced: reader got %s", name, text);
	free(text);
	text = reads(&pair[0]);
	t_say("next read got %s", text);
	free(text);
	close(pair[0]);
	close(pair[1]);
	close(other[0]);
	close(other[1]);
}

/* The number is used again by another file while the first reader still waits. */
static void reuse(void)
{
	int first[2], second[2], old;
	pthread_t a, b;
	char *text;

	T_OK(pipe(first));
	old = first[0];
	a = t_thread(reads, &old);
	t_settle();
	close(first[0]);
	T_OK(pipe(second));
	if (second[0] != old)
		T_OK(dup2(second[0], old));
	b = t_thread(reads, &old);
	t_settle();
	T_OK(write(second[1], "second", 6));
	text = t_join(b);
	t_say("reader of the second got %s", text);
	T_OK(write(first[1], "first", 5));
	text = t_join(a);
	t_say("reader of the first got %s", text);
}

int main(void)
{
	int pair[2];

	T_OK(pipe(pair));
	close_under("pipe", pair);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	close_under("unix", pair);
	t_tcp_pair(pair);
	close_under("tcp", pair);
	T_OK(pipe(pair));
	dup_over("pipe", pair);
	t_tcp_pair(pair);
	dup_over("tcp", pair);
	reuse();
	return t_done();
}
