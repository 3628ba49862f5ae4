/* SPDX-License-Identifier: MIT */
/* Threads that share a stream, stdout among them, never mix their lines. */
#include "../helpers.h"

static FILE *shared;

static void *prints(void *arg)
{
	for (int i = 0; i < 100; i++) {
		fprintf(shared, "thread %d says line %d of a hundred\n", (int)(intptr_t)arg, i);
		if (i % 10 == 0) {
			/* the same text from all, since their order is anybody's */
			printf("this line is the same from every thread\n");
			sched_yield();
		}
		if (i % 25 == 0) {
			flockfile(shared);
			fputs("two lines ", shared);
			t_nap(1);
			fputs("in one\n", shared);
			funlockfile(shared);
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[20];
	int next[20] = {0}, joined = 0, wrong = 0, id, line;
	char text[128];

	shared = fopen("shared", "w+");
	setvbuf(shared, NULL, _IOFBF, 100);
	for (intptr_t i = 0; i < 20; i++)
		threads[i] = t_thread(prints, (void *)i);
	for (int i = 0; i < 20; i++)
		t_join(threads[i]);
	rewind(shared);
	while (fgets(text, sizeof(text), shared)) {
		if (strcmp(text, "two lines in one\n") == 0)
			joined++;
		else if (sscanf(text, "thread %d says line %d of a hundred\n", &id, &line) != 2 ||
			 id < 0 || id > 19 || next[id]++ != line)
			wrong++;
	}
	for (int i = 0; i < 20; i++)
		wrong += next[i] != 100;
	t_say("joined %d wrong %d", joined, wrong);
	return t_done();
}
