/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 120 */
/*
 * A program that makes threads until it gets no more: EAGAIN, and all that it has got go on. What
 * refuses them is natively RLIMIT_NPROC, for a user of its own; else COPATCH_THREADS, and without
 * that what /proc/meminfo tells, which says here that little is left.
 */
#include "../helpers.h"

#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MOST 40000

static pthread_t thread[MOST];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static bool over;
static int ended;

static void *waits(void *arg)
{
	pthread_mutex_lock(&lock);
	while (!over)
		pthread_cond_wait(&cond, &lock);
	ended++;
	pthread_mutex_unlock(&lock);
	return arg;
}

static int as_many_as_possible(const char *when)
{
	pthread_attr_t attr;
	int made = 0, error = 0;

	over = false;
	ended = 0;
	pthread_attr_init(&attr);
	T_ZERO(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN));
	while (made < MOST && !error) {
		error = pthread_create(&thread[made], &attr, waits, NULL);
		made += !error;
	}
	t_say("%s: %s", when, strerror(error));
	pthread_mutex_lock(&lock);
	over = true;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < made; i++)
		t_join(thread[i]);
	t_check("all that there were have ended", ended == made && made > 10);
	return made;
}

static int stage(int limit)
{
	struct rlimit most = {(rlim_t)limit, (rlim_t)limit};
	int made;

	T_OK(setrlimit(RLIMIT_NPROC, &most));
	T_OK(setuid(60000 + (unsigned)getpid() % 5000));
	made = as_many_as_possible("first");
	t_check("as many again", as_many_as_possible("again") == made);
	return t_done();
}

static void begin(char *self, char *limit)
{
	char *args[] = {self, limit, NULL};
	pid_t child = T_OK(fork());

	if (!child) {
		execv("/proc/self/exe", args);
		_exit(127);
	}
	t_say("ended with %d", t_reap(child));
}

static bool tell_little_memory(void)
{
	static const char text[] =
		"MemTotal: 8000000 kB\nMemAvailable: 200000 kB\nSwapFree: 100 kB\n";
	char path[] = "/tmp/refusedXXXXXX";
	int fd = mkstemp(path);
	bool good = fd >= 0 && t_write_all(fd, text, sizeof(text) - 1) && !fchmod(fd, 0644) &&
		    !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		    !mount(path, "/proc/meminfo", NULL, MS_BIND, NULL);

	if (fd >= 0)
		unlink(path);
	return good;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return stage(atoi(argv[1]));
	if (geteuid())
		t_skip("needs root, for a user of its own");
	setenv("COPATCH_THREADS", "100", 1);
	begin(argv[0], "100");
	unsetenv("COPATCH_THREADS");
	if (!tell_little_memory())
		t_skip("cannot mount");
	begin(argv[0], "300");
	return t_done();
}
