/* SPDX-License-Identifier: MIT */
/* While a splice waits for a socket, its pipe can be read, written and closed by others. */
#include "../helpers.h"

static int in[2], out[2], full[2], through[2];

static void *to_pipe(void *arg)
{
	ssize_t n = splice(in[1], NULL, through[1], NULL, 4096, 0);

	(void)arg;
	close(through[1]);
	return (void *)n;
}

static void *to_socket(void *arg)
{
	ssize_t n, all = 0;

	(void)arg;
	while ((n = splice(full[0], NULL, out[0], NULL, 65536, 0)) > 0)
		all += n;
	shutdown(out[0], SHUT_WR);
	return (void *)all;
}

static void *reads(void *arg)
{
	char *text = calloc(1, 16);

	(void)arg;
	T_OK(read(through[0], text, 15));
	return text;
}

static void *writes(void *arg)
{
	char block[8192] = "";

	for (intptr_t i = 0; i < (intptr_t)arg; i++)
		t_write_all(full[1], block, sizeof(block));
	close(full[1]);
	return NULL;
}

int main(void)
{
	pthread_t splicer, reader, writer;
	char block[8192], *text;
	ssize_t n, all = 0;

	t_tcp_pair(in);
	t_tcp_pair(out);
	T_OK(pipe(through));
	T_OK(pipe(full));

	splicer = t_thread(to_pipe, NULL);
	t_nap(50);
	reader = t_thread(reads, NULL);
	t_nap(50);
	t_write_all(in[0], "hello", 5);
	t_say("socket to pipe: %zd", (ssize_t)t_join(splicer));
	text = t_join(reader);
	t_say("read: %s", text);
	free(text);

	/* More than the socket takes: the splice waits in the middle. */
	splicer = t_thread(to_socket, NULL);
	writer = t_thread(writes, (void *)1024);
	t_nap(200);
	while ((n = recv(out[1], block, sizeof(block), 0)) > 0)
		all += n;
	t_join(writer);
	t_check("as much as went in", (ssize_t)t_join(splicer) == 1024 * 8192);
	t_check("as much came out", all == 1024 * 8192);
	return t_done();
}
