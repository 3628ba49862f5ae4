/* SPDX-License-Identifier: MIT */
/* Normal, error-checking and recursive mutexes exclude and answer misuse as POSIX says. */
#include "../helpers.h"

#define THREADS 10
#define ROUNDS  200

static pthread_mutex_t mutex;
static int inside, overlaps, counter;

static void *work(void *arg T_UNUSED)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		overlaps += inside++ != 0;
		if (i % 20 == 0)
			sched_yield();
		counter++;
		inside--;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void *trespass(void *arg T_UNUSED)
{
	t_say("trylock by another: %s", strerror(pthread_mutex_trylock(&mutex)));
	t_say("unlock by another: %s", strerror(pthread_mutex_unlock(&mutex)));
	return NULL;
}

static void contend(const char *kind, int type)
{
	pthread_t threads[THREADS];
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, type);
	T_ZERO(pthread_mutex_init(&mutex, &attr));
	inside = overlaps = counter = 0;
	for (int i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, NULL);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	t_say("%s: counter %d overlaps %d", kind, counter, overlaps);
}

int main(void)
{
	contend("normal", PTHREAD_MUTEX_NORMAL);
	contend("adaptive", PTHREAD_MUTEX_ADAPTIVE_NP);
	contend("errorcheck", PTHREAD_MUTEX_ERRORCHECK);
	t_say("unlock unlocked: %s", strerror(pthread_mutex_unlock(&mutex)));
	pthread_mutex_lock(&mutex);
	t_say("lock again: %s", strerror(pthread_mutex_lock(&mutex)));
	t_join(t_thread(trespass, NULL));
	pthread_mutex_unlock(&mutex);
	contend("recursive", PTHREAD_MUTEX_RECURSIVE);
	for (int i = 0; i < 5; i++)
		pthread_mutex_lock(&mutex);
	t_join(t_thread(trespass, NULL));
	for (int i = 0; i < 5; i++)
		T_ZERO(pthread_mutex_unlock(&mutex));
	t_say("one unlock too many: %s", strerror(pthread_mutex_unlock(&mutex)));
	return t_done();
}
