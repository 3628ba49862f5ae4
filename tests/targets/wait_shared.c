/* SPDX-License-Identifier: MIT */
/* Shared memory holds a mutex, a condition and a semaphore for the threads of two processes. */
#include "../helpers.h"

#include <sys/mman.h>

static struct shared {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	sem_t sem;
	int turn;
	int counter;
} * shared;

static void *plays(void *arg)
{
	int mine = (intptr_t)arg;

	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&shared->mutex);
		while (shared->turn % 4 != mine)
			pthread_cond_wait(&shared->changed, &shared->mutex);
		shared->turn++;
		pthread_cond_broadcast(&shared->changed);
		pthread_mutex_unlock(&shared->mutex);
	}
	sem_post(&shared->sem);
	return NULL;
}

static void two_threads(int first)
{
	pthread_t a = t_thread(plays, (void *)(intptr_t)first);
	pthread_t b = t_thread(plays, (void *)(intptr_t)(first + 1));

	t_join(a);
	t_join(b);
}

int main(void)
{
	pthread_mutexattr_t mutex_attr;
	pthread_condattr_t cond_attr;
	pid_t child;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	pthread_mutexattr_init(&mutex_attr);
	pthread_mutexattr_setpshared(&mutex_attr, PTHREAD_PROCESS_SHARED);
	pthread_condattr_init(&cond_attr);
	pthread_condattr_setpshared(&cond_attr, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_mutex_init(&shared->mutex, &mutex_attr));
	T_ZERO(pthread_cond_init(&shared->changed, &cond_attr));
	T_OK(sem_init(&shared->sem, 1, 0));
	child = T_OK(fork());
	if (child == 0) {
		two_threads(0);
		_exit(3);
	}
	two_threads(2);
	for (int i = 0; i < 4; i++)
		sem_wait(&shared->sem);
	t_say("turns taken %d", shared->turn);
	t_say("child: %d", t_reap(child));
	return t_done();
}
