/* SPDX-License-Identifier: MIT */
/*
 * Comes to a standstill in the way that its argument names. Prints the addresses of its locks
 * first; on SIGUSR1, where it handles that, "signal".
 */
#include "../helpers.h"

static pthread_mutex_t a, b;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t main_thread;
static const char *mode;

static bool is(const char *name)
{
	return !strcmp(mode, name);
}

static void on_signal(int sig)
{
	(void)sig;
	if (write(1, "signal\n", 7) != 7)
		_exit(1);
}

static void *other(void *arg)
{
	pthread_setname_np(pthread_self(), "other");
	if (is("idle-pause") || is("idle-timed"))
		pthread_mutex_lock(&a);
	if (is("cond") || is("handled")) {
		pthread_mutex_lock(&b);
		pthread_cond_wait(&cond, &b);
	}
	if (is("rwlock"))
		pthread_rwlock_wrlock(&rw);
	pthread_mutex_lock(&b);
	usleep(20000);
	if (is("crossjoin"))
		pthread_join(main_thread, NULL);
	pthread_mutex_lock(&a);
	return arg;
}

int main(int argc, char **argv)
{
	struct timespec end = {.tv_sec = time(NULL) + 1000};
	pthread_mutexattr_t attr;
	pthread_t thread;

	mode = argc > 1 ? argv[1] : "mutex";
	main_thread = pthread_self();
	pthread_mutexattr_init(&attr);
	if (is("robust"))
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (is("inherit"))
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	if (is("recursive"))
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&a, &attr);
	pthread_mutex_init(&b, &attr);
	printf("%#lx %#lx\n", (unsigned long)&a, (unsigned long)&b);
	fflush(stdout);
	if (is("handled") || is("circle-handled"))
		signal(SIGUSR1, on_signal);
	pthread_mutex_lock(&a);
	if (is("self"))
		pthread_mutex_lock(&a);
	pthread_create(&thread, NULL, other, NULL);
	usleep(20000);
	if (is("rwlock"))
		pthread_rwlock_rdlock(&rw);
	if (is("idle-pause"))
		pause();
	if (is("idle-timed"))
		pthread_mutex_timedlock(&a, &end);
	if (is("cond") || is("handled") || is("join"))
		pthread_join(thread, NULL);
	pthread_mutex_lock(&b);
	return 0;
}
