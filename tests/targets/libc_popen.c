/* SPDX-License-Identifier: MIT */
/* popen in several threads reads from and writes to commands that take their time. */
#include "../helpers.h"

static void *reads(void *arg)
{
	char command[64], line[64] = "", expected[64];
	int id = (intptr_t)arg, status;
	FILE *pipe;

	snprintf(command, sizeof(command), "sleep 0.1; echo number %d; exit %d", id, id);
	snprintf(expected, sizeof(expected), "number %d\n", id);
	pipe = popen(command, "r");
	if (!pipe || !fgets(line, sizeof(line), pipe))
		return NULL;
	status = pclose(pipe);
	return (void *)(intptr_t)(strcmp(line, expected) == 0 && WEXITSTATUS(status) == id);
}

static void *writes(void *arg)
{
	char command[64], text[32] = "";
	FILE *pipe, *file;
	int id = (intptr_t)arg, n;

	snprintf(command, sizeof(command), "sleep 0.05; cat >out.%d", id);
	pipe = popen(command, "w");
	fprintf(pipe, "to cat %d\n", id);
	if (pclose(pipe))
		return NULL;
	file = fopen(strchr(command, '>') + 1, "r");
	n = file && fgets(text, sizeof(text), file) ? atoi(text + 7) : -1;
	if (file)
		fclose(file);
	return (void *)(intptr_t)(n == id);
}

int main(void)
{
	pthread_t readers[8], writers[4];
	int good = 0;

	for (intptr_t i = 0; i < 8; i++)
		readers[i] = t_thread(reads, (void *)i);
	for (intptr_t i = 0; i < 4; i++)
		writers[i] = t_thread(writes, (void *)i);
	for (int i = 0; i < 8; i++)
		good += t_join(readers[i]) != NULL;
	for (int i = 0; i < 4; i++)
		good += t_join(writers[i]) != NULL;
	t_say("good %d", good);
	return t_done();
}
