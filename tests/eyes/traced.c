/* SPDX-License-Identifier: MIT */
/*
 * A program whose parks are known: each of THREADS threads sleeps and reads from a pipe of its
 * own ROUNDS times, waits for an answer of the kernel's once, and takes turns. It says which
 * thread reads which pipe, at which word main waits, and when it begins and ends.
 *
 * usage: traced [--kill | --exit | --exec | --fork FILE]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 5
#define ROUNDS  4

static int pipes[THREADS][2];
static sem_t done, near;

static void say_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	printf("clock %ld\n", ts.tv_sec * 1000000000 + ts.tv_nsec);
	fflush(stdout);
}

static void nap(void)
{
	struct timespec ms = {0, 1000000};

	nanosleep(&ms, NULL);
}

static void *reader(void *arg)
{
	long i = (long)arg;
	char name[16], c;

	(void)snprintf(name, sizeof(name), i ? "reader-%ld" : "\"<b>\\%ld\n", i);
	pthread_setname_np(pthread_self(), name);
	printf("reader %ld %d\n", (long)syscall(SYS_gettid), pipes[i][0]);
	fflush(stdout);
	for (int k = 0; k < ROUNDS; k++) {
		nap();
		sem_post(&near);
		if (read(pipes[i][0], &c, 1) != 1)
			abort();
	}
	return NULL;
}

/* fsync goes to a helper while others are alive. */
static void *syncer(void *arg)
{
	struct pollfd p[3];

	if (fsync(*(int *)arg))
		abort();
	for (int i = 0; i < 3; i++)
		p[i] = (struct pollfd){.fd = pipes[i][0], .events = POLLIN};
	if (poll(p, 3, 1))
		abort();
	sem_post(&done);
	return NULL;
}

static void *pauser(void *arg)
{
	pause();
	return arg;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	pthread_t thread[THREADS], sync;
	char path[] = "/tmp/traced.XXXXXX";
	int file = mkstemp(path);

	unlink(path);
	sem_init(&done, 0, 0);
	sem_init(&near, 0, 0);
	say_clock();
	printf("word %lx\n", (unsigned long)&done);
	fflush(stdout);
	for (long i = 0; i < THREADS; i++) {
		if (pipe(pipes[i]) || pthread_create(&thread[i], NULL, reader, (void *)i))
			abort();
	}
	for (int k = 0; k < ROUNDS; k++) {
		/* who is near gets to its pipe before main, whose time comes only then */
		struct timespec later = {0, 20000000};

		for (int i = 0; i < THREADS; i++)
			while (sem_wait(&near))
				;
		nanosleep(&later, NULL);
		if (k == ROUNDS / 2 && !strcmp(how, "--kill")) {
			puts("ready");
			fflush(stdout);
			pause();
		}
		for (int i = 0; i < THREADS; i++)
			if (write(pipes[i][1], "x", 1) != 1)
				abort();
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	pthread_create(&sync, NULL, syncer, &file);
	sem_wait(&done);
	pthread_join(sync, NULL);
	say_clock();
	if (!strcmp(how, "--exit"))
		_exit(0);
	if (!strcmp(how, "--exec")) {
		/* Somebody waits when it happens, and goes on waiting where it does not. */
		pthread_create(&sync, NULL, pauser, NULL);
		nap();
		execl("/no/such/program", argv[0], (char *)NULL);
		nap();
		execl(argv[0], argv[0], (char *)NULL);
	}
	if (!strcmp(how, "--fork")) {
		pid_t pid = fork();

		if (!pid) {
			nap();
			exit(0);
		}
		waitpid(pid, NULL, 0);
		printf("%d\n", pid);
	}
	return 0;
}
