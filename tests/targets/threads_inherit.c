/* SPDX-License-Identifier: MIT */
/*
 * Policy, priority, nice value and processors that a program is started with: main has them, and
 * its threads and children have them from whoever makes them. What main changes afterwards is
 * main's alone.
 */
#include "../helpers.h"

#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>

extern char **environ;

static const char *name_of(int policy)
{
	static const char *const names[] = {"other", "fifo", "rr", "batch", "?", "idle"};
	static char text[32];

	snprintf(text, sizeof(text), "%s%s", names[policy & 7],
		 policy & SCHED_RESET_ON_FORK ? ", not passed on" : "");
	return text;
}

static void tell(const char *who)
{
	struct sched_param param = {-1}, seen = {-1};
	cpu_set_t set;
	int policy = -1;

	T_OK(sched_getparam(t_gettid(), &param));
	T_ZERO(pthread_getschedparam(pthread_self(), &policy, &seen));
	T_OK(sched_getaffinity(0, sizeof(set), &set));
	t_say("%s: %s %d, %s %d, nice %d, on %s", who, name_of(sched_getscheduler(0)),
	      param.sched_priority, policy == (sched_getscheduler(0) & 7) ? "the same" : "ANOTHER",
	      seen.sched_priority, getpriority(PRIO_PROCESS, 0),
	      CPU_COUNT(&set) == 1 ? "one processor" : "several");
}

static void child_by_fork(const char *who)
{
	pid_t child = T_OK(fork());

	if (!child) {
		tell(who);
		_exit(0);
	}
	t_reap(child);
}

static void child_by_spawn(const char *who)
{
	char *args[] = {"child", "tell", (char *)who, NULL};
	pid_t child;

	T_ZERO(posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, environ));
	t_reap(child);
}

static sem_t changed, told;

static void *thread(void *arg)
{
	tell("thread");
	child_by_fork("its child");
	child_by_spawn("its spawned child");
	sem_post(&told);
	sem_wait(&changed);
	tell("thread, once main has changed");
	child_by_fork("its child then");
	child_by_spawn("its spawned child then");
	return arg;
}

static void set(int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};

	T_OK(sched_setscheduler(0, policy, &param));
}

/* Begun anew with what the parent has set. */
static int look(void)
{
	cpu_set_t one;
	pthread_t maker;

	sem_init(&changed, 0, 0);
	sem_init(&told, 0, 0);
	tell("main");
	maker = t_thread(thread, NULL);
	sem_wait(&told);
	set(SCHED_OTHER, 0);
	T_OK(setpriority(PRIO_PROCESS, 0, 9));
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	T_OK(sched_setaffinity(0, sizeof(one), &one));
	sem_post(&changed);
	t_join(maker);
	tell("main, changed");
	child_by_fork("its child");
	T_OK(setpriority(PRIO_PROCESS, 0, 3));
	t_join(t_thread((void *(*)(void *))(void *)tell, "new thread"));
	return t_done();
}

static void begin(const char *how, int policy, int priority, int nice_value)
{
	pid_t child;

	t_say("-- %s", how);
	child = T_OK(fork());
	if (!child) {
		if (nice_value)
			T_OK(setpriority(PRIO_PROCESS, 0, nice_value));
		set(policy, priority);
		execl("/proc/self/exe", "threads_inherit", "look", NULL);
		_exit(127);
	}
	t_say("ended with %d", t_reap(child));
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		tell(argv[2]);
		return 0;
	}
	if (argc > 1)
		return look();
	if (geteuid())
		t_skip("needs root, for real-time policies");
	begin("fifo", SCHED_FIFO, 10, 0);
	begin("rr", SCHED_RR, 5, 0);
	begin("rr, not passed on", SCHED_RR | SCHED_RESET_ON_FORK, 5, -3);
	begin("batch", SCHED_BATCH, 0, 7);
	begin("other, nice -4, not passed on", SCHED_OTHER | SCHED_RESET_ON_FORK, 0, -4);
	begin("idle", SCHED_IDLE, 0, 0);
	return t_done();
}
