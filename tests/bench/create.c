/* SPDX-License-Identifier: MIT */
/*
 * Creates and joins threads that do nothing, and reports the time of one.
 *
 * usage: create one|batch [SECONDS [BATCH]]
 */
#include "bench.h"

static char token;

static void *nothing(void *arg)
{
	return arg;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "one";
	double seconds = argc > 2 ? atof(argv[2]) : 0.5;
	int batch = strcmp(kind, "batch") ? 1 : argc > 3 ? atoi(argv[3]) : 1000;
	uint64_t begin, cpu, took, made = 0;
	pthread_t *t;

	t = calloc(batch > 0 ? batch : 1, sizeof(*t));
	if (!t || (strcmp(kind, "one") && strcmp(kind, "batch"))) {
		fprintf(stderr, "usage: create one|batch [SECONDS [BATCH]]\n");
		return 2;
	}
	begin = now_ns();
	cpu = cpu_ns();
	do {
		int error;

		for (int i = 0; i < batch; i++) {
			/* Default attributes: what an ordinary program pays. */
			error = pthread_create(&t[i], NULL, nothing, &token);
			if (error)
				die("pthread_create", error);
		}
		for (int i = 0; i < batch; i++) {
			void *value;

			error = pthread_join(t[i], &value);
			if (error || value != &token)
				die("pthread_join", error);
		}
		made += batch;
		took = now_ns() - begin;
	} while (took < seconds * 1e9);
	cpu = cpu_ns() - cpu;

	result("us", took / 1e3 / made);
	result("cpu_us", cpu / 1e3 / made);
	return 0;
}
