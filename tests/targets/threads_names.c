/* SPDX-License-Identifier: MIT */
/* Names of threads are set and read for oneself and for others, by every interface. */
#include "../helpers.h"

#include <sys/prctl.h>

static sem_t ready, go;

static void *work(void *arg)
{
	char name[16] = "";

	T_ZERO(pthread_setname_np(pthread_self(), arg));
	sem_post(&ready);
	while (sem_wait(&go))
		;
	prctl(PR_GET_NAME, name);
	return strdup(name);
}

int main(void)
{
	char name[64] = "", path[64];
	char *own;
	pthread_t a, b;
	FILE *comm;

	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	T_OK(prctl(PR_SET_NAME, "the main"));
	a = t_thread(work, "worker a");
	b = t_thread(work, "worker b");
	sem_wait(&ready);
	sem_wait(&ready);
	T_ZERO(pthread_getname_np(a, name, sizeof(name)));
	t_say("a is %s", name);
	T_ZERO(pthread_getname_np(b, name, sizeof(name)));
	t_say("b is %s", name);
	T_ZERO(pthread_setname_np(b, "renamed"));
	t_say("too long: %s", strerror(pthread_setname_np(a, "much too long a name")));
	sem_post(&go);
	sem_post(&go);
	own = t_join(a);
	t_say("a calls itself %s", own);
	free(own);
	own = t_join(b);
	t_say("b calls itself %s", own);
	free(own);
	T_ZERO(pthread_getname_np(pthread_self(), name, sizeof(name)));
	t_say("main is %s", name);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", t_gettid());
	comm = fopen(path, "r");
	t_say("proc says %s", comm && fscanf(comm, "%63[^\n]", name) == 1 ? name : "nothing");
	return t_done();
}
