/* SPDX-License-Identifier: MIT */
/* Threads are started and joined before main, by a constructor, and after it, by a destructor. */
#include "../helpers.h"

static pthread_t early;
static sem_t go;

static void *work(void *arg)
{
	t_nap(20);
	return arg;
}

static void *waits(void *arg)
{
	sem_wait(&go);
	return arg;
}

__attribute__((constructor)) static void before(void)
{
	sem_init(&go, 0, 0);
	t_say("before main %s", (char *)t_join(t_thread(work, "joined")));
	early = t_thread(waits, "kept over");
}

__attribute__((destructor)) static void after(void)
{
	t_say("after main %s", (char *)t_join(t_thread(work, "joined")));
}

int main(void)
{
	t_settle();
	sem_post(&go);
	t_say("in main %s", (char *)t_join(early));
	return t_done();
}
