/* SPDX-License-Identifier: MIT */
/*
 * Multitasking, first step: generators, and a loop that takes turns. Task one and task two are
 * functions that say where they can be left; who goes on and when is up to the loop in main.
 */
#include <copatch.h>
#include <stdio.h>

#define TURNS     11
#define BAD_USAGE 125 /* as copatch itself */

static void task(void *name)
{
	for (int turn = 1; turn <= TURNS; turn++) {
		printf("task %s: turn %d\n", (char *)name, turn);
		copatch_yield(NULL);
	}
}

int main(int argc, char **argv)
{
	struct copatch_generator *tasks[2];
	char *names[2] = {"one", "two"};
	int left = 2;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "yield: it takes no arguments\n");
		return BAD_USAGE;
	}
	for (int i = 0; i < 2; i++) {
		tasks[i] = copatch_generator_new(task, names[i]);
		if (!tasks[i]) {
			perror("yield");
			return 1;
		}
	}
	while (left)
		for (int i = 0; i < 2; i++) {
			if (!tasks[i] || copatch_next(tasks[i], NULL) == 1)
				continue;
			copatch_generator_free(tasks[i]);
			tasks[i] = NULL;
			left--;
		}
	puts("both have ended");
	return 0;
}
