/* SPDX-License-Identifier: MIT */
/* When memory for stacks runs out, pthread_create gives EAGAIN and everything else goes on. */
#include "../helpers.h"

#include <sys/resource.h>

#define MOST 64

static sem_t go;
static int ends[2];

static void *waits(void *arg)
{
	sem_wait(&go);
	return arg;
}

static void *reads(void *arg T_UNUSED)
{
	char byte;

	return (void *)(intptr_t)read(ends[0], &byte, 1);
}

static long used_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (!file || fscanf(file, "%ld", &pages) != 1)
		t_skip("no /proc/self/statm");
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

int main(void)
{
	pthread_t threads[MOST], reader;
	int error = 0, count, good = 0;
	struct rlimit limit, old;
	pthread_attr_t attr;
	int64_t start;

	sem_init(&go, 0, 0);
	T_OK(pipe(ends));
	reader = t_thread(reads, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 8 << 20);
	T_OK(getrlimit(RLIMIT_AS, &old));
	limit = old;
	limit.rlim_cur = used_bytes() + (80 << 20);
	T_OK(setrlimit(RLIMIT_AS, &limit));
	for (count = 0; count < MOST && !error; count++)
		error = pthread_create(&threads[count], &attr, waits, (void *)(intptr_t)count);
	count--;
	t_say("%s", strerror(error));
	t_check("some were made", count >= 2);
	start = t_now_ms();
	t_nap(50);
	t_check("sleeping goes on", t_took(start, 50));
	T_OK(write(ends[1], "x", 1));
	t_check("waiting reads go on", (intptr_t)t_join(reader) == 1);
	for (int i = 0; i < count; i++)
		sem_post(&go);
	for (int i = 0; i < count; i++)
		good += t_join(threads[i]) == (void *)(intptr_t)i;
	t_check("the threads that were made go on", good == count);
	T_OK(setrlimit(RLIMIT_AS, &old));
	sem_post(&go);
	T_ZERO(pthread_create(&threads[0], &attr, waits, "x"));
	t_check("with memory again", t_join(threads[0]) != NULL);
	return t_done();
}
