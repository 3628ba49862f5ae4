/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* LONG: 20 120 */
/* Fifty threads fork in the middle of others' I/O; the children make threads and do I/O too. */
#include "../load.h"

#define FORKERS 50
#define THREADS 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int rounds, turns, pair[2];

static void *answers(void *arg)
{
	char byte;

	for (int i = 0; i < 10; i++) {
		if (read(pair[1], &byte, 1) != 1 || write(pair[1], &byte, 1) != 1)
			return NULL;
		pthread_mutex_lock(&lock);
		turns++;
		pthread_mutex_unlock(&lock);
		t_nap(i % 2);
	}
	return arg;
}

/* Nothing here may depend on a thread of the parent: only the forking one is left. */
static int child(intptr_t seed)
{
	pthread_t threads[THREADS];
	int good = 0, exchanged = 0;
	char byte = (char)seed;
	void *block = malloc(1000 + (size_t)seed);

	turns = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 1;
	for (intptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, answers, (void *)(i + 1)))
			return 2;
	for (int i = 0; i < THREADS * 10; i++)
		exchanged += write(pair[0], &byte, 1) == 1 && read(pair[0], &byte, 1) == 1;
	for (intptr_t i = 0; i < THREADS; i++)
		good += t_join(threads[i]) == (void *)(i + 1);
	free(block);
	if (byte != (char)seed || exchanged != THREADS * 10)
		return 3;
	return good == THREADS && turns == THREADS * 10 ? 42 : 4;
}

static void *forks(void *arg)
{
	intptr_t good = 0;

	for (int i = 0; i < rounds; i++) {
		pid_t pid;
		int status;

		/* the child's lock must be free, as any program sees to with pthread_atfork */
		pthread_mutex_lock(&lock);
		pid = T_OK(fork());
		pthread_mutex_unlock(&lock);
		if (!pid)
			_exit(child((intptr_t)arg));
		status = t_reap(pid);
		good += status == 42;
		if (status != 42)
			fprintf(stderr, "a child ended with %d\n", status);
	}
	return (void *)good;
}

int main(void)
{
	pthread_t threads[FORKERS];
	int good = 0;

	rounds = t_rounds(2);
	load_start(10);
	for (intptr_t i = 0; i < FORKERS; i++)
		threads[i] = t_thread(forks, (void *)i);
	for (int i = 0; i < FORKERS; i++)
		good += (int)(intptr_t)t_join(threads[i]);
	t_check("every child did all of its work", good == rounds * FORKERS);
	t_check("none is left", waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	load_stop();
	return t_done();
}
