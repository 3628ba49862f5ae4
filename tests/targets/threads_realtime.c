/* SPDX-License-Identifier: MIT */
/* SCHED_FIFO and SCHED_RR on one processor: who runs first, inheritance, and equal shares. */
#include "../helpers.h"

#include <sched.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, pi_lock;
static sem_t wake, started;
static char order[64];
static int length;

static void note(char who)
{
	order[length++] = who;
}

static void set(int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};

	T_ZERO(pthread_setschedparam(pthread_self(), policy, &param));
}

static pthread_t start(void *(*function)(void *), void *arg, int policy, int priority)
{
	struct sched_param param = {.sched_priority = priority};
	pthread_attr_t attr;
	pthread_t thread;

	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED));
	T_ZERO(pthread_attr_setschedpolicy(&attr, policy));
	T_ZERO(pthread_attr_setschedparam(&attr, &param));
	T_ZERO(pthread_create(&thread, &attr, function, arg));
	return thread;
}

static void *locks(void *arg)
{
	pthread_mutex_lock(&lock);
	note((char)(intptr_t)arg);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* A lock goes to the highest of those who wait. */
static void lock_order(void)
{
	pthread_t threads[4];

	length = 0;
	pthread_mutex_lock(&lock);
	threads[0] = start(locks, (void *)'b', SCHED_FIFO, 20);
	threads[1] = start(locks, (void *)'d', SCHED_FIFO, 40);
	threads[2] = start(locks, (void *)'a', SCHED_FIFO, 15);
	threads[3] = start(locks, (void *)'c', SCHED_RR, 30);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < 4; i++)
		t_join(threads[i]);
	t_say("lock: %.*s", length, order);
}

static void *waits(void *arg T_UNUSED)
{
	for (int i = 0; i < 3; i++) {
		sem_wait(&wake);
		note('h');
	}
	return NULL;
}

/* Who is woken takes the processor from one of a lower priority, and not from an equal. */
static void preemption(void)
{
	for (int priority = 10; priority <= 20; priority += 10) {
		pthread_t thread = start(waits, NULL, SCHED_FIFO, priority);

		length = 0;
		if (priority == 10)
			sched_yield(); /* it has to get to its wait */
		for (int i = 0; i < 3; i++) {
			note('m');
			sem_post(&wake);
		}
		note('m');
		t_join(thread);
		t_say("woken by 10, priority %d: %.*s", priority, length, order);
	}
}

static void *holds(void *arg T_UNUSED)
{
	pthread_mutex_lock(&pi_lock);
	note('l');
	sem_post(&started); /* main, above it, goes on with the others */
	note('L');
	pthread_mutex_unlock(&pi_lock);
	note('e');
	return NULL;
}

static void *wants(void *arg T_UNUSED)
{
	pthread_mutex_lock(&pi_lock);
	note('h');
	pthread_mutex_unlock(&pi_lock);
	return NULL;
}

static void *computes(void *arg T_UNUSED)
{
	int64_t until = t_now_ms() + 50;

	while (t_now_ms() < until)
		;
	note('m');
	return NULL;
}

/* The holder of a lock is not held up by the middle one when the highest waits for it. */
static void inheritance(void)
{
	pthread_mutexattr_t attr;
	pthread_t low, middle, high;

	T_ZERO(pthread_mutexattr_init(&attr));
	T_ZERO(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	T_ZERO(pthread_mutex_init(&pi_lock, &attr));
	length = 0;
	set(SCHED_FIFO, 50);
	low = start(holds, NULL, SCHED_FIFO, 5);
	sem_wait(&started);
	middle = start(computes, NULL, SCHED_FIFO, 20);
	high = start(wants, NULL, SCHED_FIFO, 30);
	t_join(high);
	t_join(middle);
	t_join(low);
	t_say("inheritance: %.*s", length, order);
	set(SCHED_FIFO, 10);
}

static volatile bool stop;

static void *counts(void *arg)
{
	while (!stop)
		++*(volatile long *)arg;
	return NULL;
}

/* Of two that never wait, equal ones of SCHED_RR share, and of SCHED_FIFO the first has all. */
static void shares(int policy)
{
	long first = 0, second = 0;
	pthread_t a, b;

	stop = false;
	set(SCHED_FIFO, 60);
	a = start(counts, &first, policy, 30);
	b = start(counts, &second, policy, 30);
	t_nap(400);
	stop = true;
	t_say("%s: the first ran: %d, the second ran: %d", policy == SCHED_RR ? "RR" : "FIFO",
	      first > 0, second > 0);
	t_join(a);
	t_join(b);
	set(SCHED_FIFO, 10);
}

static volatile int flag;

static void *sets_flag(void *arg T_UNUSED)
{
	flag = 1;
	return NULL;
}

int main(void)
{
	struct sched_param param = {.sched_priority = 10};
	cpu_set_t cpus;
	pthread_t thread;
	int cpu = 0;

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &param))
		t_skip("real-time policies are not allowed here");
	T_OK(sched_getaffinity(0, sizeof(cpus), &cpus));
	while (!CPU_ISSET(cpu, &cpus))
		cpu++;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	T_OK(sched_setaffinity(0, sizeof(cpus), &cpus));
	sem_init(&wake, 0, 0);
	sem_init(&started, 0, 0);

	lock_order();
	preemption();
	inheritance();
	shares(SCHED_RR);
	shares(SCHED_FIFO);
	/* Linux leaves a share of each second to the rest. */
	thread = start(sets_flag, NULL, SCHED_OTHER, 0);
	while (!flag)
		;
	t_join(thread);
	t_say("an ordinary thread ran at last");
	return t_done();
}
