/* SPDX-License-Identifier: MIT */
/*
 * A program with a fault that hardly ever shows: two threads take a value, do something else
 * that is a call, and put it back one higher; nothing keeps the other out. Prints the sum that is
 * missing, 0 when nothing was lost, and in which order the threads came by.
 *
 * usage: lost mutex|yield|pipe|sleep
 *        lost spin     a thread spins until main has slept
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 3
#define ROUNDS  5

static int counter, seen;
static char order[THREADS * ROUNDS + 1];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];
static const char *how;

static void between(void)
{
	struct timespec ms = {0, 1000000};
	char c;

	if (!strcmp(how, "mutex")) {
		pthread_mutex_lock(&lock);
		(void)!write(ends[1], "x", 1);
		(void)!read(ends[0], &c, 1);
		pthread_mutex_unlock(&lock);
	} else if (!strcmp(how, "pipe")) {
		(void)!write(ends[1], "x", 1);
		(void)!read(ends[0], &c, 1);
	} else if (!strcmp(how, "sleep")) {
		nanosleep(&ms, NULL);
	} else {
		sched_yield();
	}
}

static void *work(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		int value = counter;

		/* once in a while only */
		if ((i + (int)(long)arg) % ROUNDS == 2)
			between();
		counter = value + 1;
		order[seen++] = (char)('a' + (long)arg);
		(void)!write(ends[1], "y", 1);
	}
	return NULL;
}

static volatile int stop;

static void *spin(void *arg)
{
	while (!stop)
		;
	return arg;
}

static int spun(void)
{
	struct timespec ms = {0, 1000000};
	pthread_t thread;

	if (pthread_create(&thread, NULL, spin, NULL))
		abort();
	nanosleep(&ms, NULL);
	stop = 1;
	pthread_join(thread, NULL);
	puts("spun");
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];

	how = argc > 1 ? argv[1] : "";
	if (!strcmp(how, "spin"))
		return spun();
	if (pipe(ends))
		abort();
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	printf("%d %s\n", THREADS * ROUNDS - counter, order);
	return 0;
}
