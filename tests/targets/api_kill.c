/* SPDX-License-Identifier: MIT */
/* A task can be killed, and a timeout scope ends, whatever it is blocked in. */
#include "../helpers.h"

#include <copatch.h>
#include <poll.h>

static int ends[2], listener;
static struct sockaddr_in address;
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static struct copatch_queue *empty, *full;
static pthread_t sleeper;
static int cleaned;

static void clean(void *arg)
{
	__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
}

static void unlock(void *arg)
{
	pthread_mutex_unlock(arg);
}

static void reads(void)
{
	char byte;

	T_OK(read(ends[0], &byte, 1));
}

static void accepts(void)
{
	T_OK(accept(listener, NULL, NULL));
}

static void polls(void)
{
	struct pollfd p = {ends[0], POLLIN, 0};

	T_OK(poll(&p, 1, -1));
}

static void sleeps(void)
{
	copatch_sleep(-1);
}

static void waits_semaphore(void)
{
	sem_wait(&semaphore);
}

static void waits_cond(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cleanup_push(unlock, &mutex);
	pthread_cond_wait(&never, &mutex);
	pthread_cleanup_pop(1);
}

static void gets(void)
{
	(void)!copatch_queue_get(empty, NULL, -1);
}

static void puts_more(void)
{
	(void)!copatch_queue_put(full, NULL, -1);
}

static void joins(void)
{
	t_join(sleeper);
}

static void *naps(void *arg)
{
	t_nap(3000);
	return arg;
}

static void scope(void);

static const struct {
	const char *name;
	void (*function)(void);
} blocked[] = {
	{"read", reads},
	{"accept", accepts},
	{"poll", polls},
	{"sleep", sleeps},
	{"semaphore", waits_semaphore},
	{"condition", waits_cond},
	{"get", gets},
	{"put", puts_more},
	{"join", joins},
	{"scope", scope},
};

static void *blocks(void *arg)
{
	pthread_cleanup_push(clean, &cleaned);
	blocked[(intptr_t)arg].function();
	pthread_cleanup_pop(0);
	return arg;
}

static void scope(void)
{
	copatch_with_timeout(-1, blocks, NULL, NULL);
}

int main(void)
{
	T_OK(pipe(ends));
	listener = t_listener(&address);
	sem_init(&semaphore, 0, 0);
	empty = copatch_queue_new(1);
	full = copatch_queue_new(1);
	T_ZERO(-copatch_queue_put(full, NULL, 0));
	sleeper = t_thread(naps, NULL);
	for (intptr_t i = 0; i < (intptr_t)T_COUNT(blocked); i++) {
		struct copatch_task *task = copatch_spawn(blocks, (void *)i);
		int64_t since;

		t_nap(30);
		t_say("%s", blocked[i].name);
		t_check("killed", copatch_kill(task, 5000) == 0);
		t_check("joined", copatch_join(task, 0, NULL) == -ECANCELED);
		copatch_task_free(task);
		since = t_now_ms();
		t_check("too late",
			copatch_with_timeout(60, blocks, (void *)i, NULL) == -ETIMEDOUT);
		t_check("in time", t_took(since, 60));
	}
	/* Each twice, and what was in a scope of its own as well. */
	t_say("clean-up handlers %d", cleaned);
	t_check("the lock is free", pthread_mutex_trylock(&mutex) == 0);
	return t_done();
}
