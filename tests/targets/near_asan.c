/* SPDX-License-Identifier: MIT */
/*
 * Built with AddressSanitizer: threads that wait in every way, a child that uses freed memory
 * and one that leaks: found out as natively.
 */
/* LIBS: -fsanitize=address */
#include "../helpers.h"

#define THREADS 20

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int pair[2], go;

static void *waits(void *arg)
{
	char *block = malloc(100), byte;

	memset(block, (int)(intptr_t)arg, 100);
	usleep(1000);
	pthread_mutex_lock(&lock);
	while (!go)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	T_OK(read(pair[0], &byte, 1));
	byte = block[99];
	free(block);
	return (void *)(intptr_t)byte;
}

#ifndef NO_FAULTS
static char *volatile kept;

static void *uses_freed(void *arg T_UNUSED)
{
	kept = malloc(100);
	free(kept);
	kept[3]++;
	return NULL;
}

__attribute__((noinline)) static void leaks(void)
{
	for (int i = 0; i < 20; i++)
		kept = malloc(1000);
	kept = NULL;
}

static int in_child(void (*function)(void))
{
	pid_t child = fork();

	if (!child) {
		close(STDERR_FILENO);
		function();
		exit(0);
	}
	return t_reap(child);
}

static void thread_uses_freed(void)
{
	t_join(t_thread(uses_freed, NULL));
}
#endif

int main(void)
{
	pthread_t threads[THREADS];
	intptr_t sum = 0;

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(waits, (void *)i);
	usleep(20000);
	pthread_mutex_lock(&lock);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < THREADS; i++)
		T_OK(write(pair[1], "x", 1));
	for (int i = 0; i < THREADS; i++)
		sum += (intptr_t)t_join(threads[i]);
	t_say("sum %ld", (long)sum);
#ifndef NO_FAULTS
	t_say("freed memory used: status %d", in_child(thread_uses_freed));
	t_say("memory leaked: status %d", in_child(leaks));
#endif
	return t_done();
}
