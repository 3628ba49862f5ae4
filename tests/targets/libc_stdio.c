/* SPDX-License-Identifier: MIT */
/* stdio waits inside libc: fgets, getline and fprintf on pipes and sockets, from many threads. */
#include "../helpers.h"

#define TALKS 8

static void *serve(void *arg)
{
	int fd = *(int *)arg;
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char *line = NULL;
	size_t room = 0;
	intptr_t lines = 0;

	fprintf(out, "welcome\n");
	fflush(out);
	while (getline(&line, &room, in) > 0) {
		fprintf(out, "%zu %s", strlen(line), line);
		fflush(out);
		lines++;
	}
	free(line);
	fclose(in);
	fclose(out);
	return (void *)lines;
}

static void *client(void *arg)
{
	int fd = *(int *)arg;
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[128], expected[128], word[64];
	intptr_t wrong = 0;

	wrong += !fgets(line, sizeof(line), in) || strcmp(line, "welcome\n");
	for (int i = 0; i < 30; i++) {
		snprintf(word, sizeof(word), "%0*d\n", i + 1, i);
		snprintf(expected, sizeof(expected), "%zu %s", strlen(word), word);
		if (i % 10 == 0)
			t_nap(2);
		fputs(word, out);
		fflush(out);
		wrong += !fgets(line, sizeof(line), in) || strcmp(line, expected);
	}
	fclose(out);
	shutdown(fd, SHUT_WR);
	wrong += fgetc(in) != EOF || !feof(in);
	fclose(in);
	return (void *)wrong;
}

static void *fills(void *arg)
{
	FILE *out = fdopen(*(int *)arg, "w");

	for (int i = 0; i < 100000; i++)
		fprintf(out, "line %d\n", i);
	return (void *)(intptr_t)fclose(out);
}

int main(void)
{
	pthread_t servers[TALKS], clients[TALKS], filler;
	int pairs[TALKS][2], ends[2], good = 0, number;
	intptr_t lines = 0, wrong = 0;
	FILE *in;

	for (int i = 0; i < TALKS; i++) {
		if (i % 2)
			T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		else
			t_tcp_pair(pairs[i]);
		servers[i] = t_thread(serve, &pairs[i][0]);
		clients[i] = t_thread(client, &pairs[i][1]);
	}
	for (int i = 0; i < TALKS; i++) {
		wrong += (intptr_t)t_join(clients[i]);
		lines += (intptr_t)t_join(servers[i]);
	}
	t_say("lines %ld wrong %ld", (long)lines, (long)wrong);

	T_OK(pipe(ends));
	filler = t_thread(fills, &ends[1]);
	in = fdopen(ends[0], "r");
	while (fscanf(in, "line %d\n", &number) == 1)
		good += number == good;
	t_say("in order %d, closed %ld", good, (long)(intptr_t)t_join(filler));
	return t_done();
}
