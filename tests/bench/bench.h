/* SPDX-License-Identifier: MIT */
/* What every bench program needs: clocks, an exit with a reason, threads of a given stack. */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SMALL_STACK (64 * 1024)

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static inline void __attribute__((noreturn)) die(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, error ? strerror(error) : "failed");
	exit(1);
}

/* Results are lines of "name value"; bench.py reads them. */
static inline void result(const char *name, double value)
{
	printf("%s %.3f\n", name, value);
}

/* Returns 0 or the error number, as pthread_create does. */
static inline int try_start(pthread_t *t, size_t stack, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	int error;

	pthread_attr_init(&attr);
	error = pthread_attr_setstacksize(&attr, stack);
	if (!error)
		error = pthread_create(t, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return error;
}

static inline void start(pthread_t *t, size_t stack, void *(*fn)(void *), void *arg)
{
	int error = try_start(t, stack, fn, arg);

	if (error)
		die("pthread_create", error);
}

#endif
