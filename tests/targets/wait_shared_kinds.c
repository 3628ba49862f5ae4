/* SPDX-License-Identifier: MIT */
/* Locks of every kind in shared memory, between processes of a kind and with one that is native. */
/* LIBS: -lrt */
/* TIMEOUT: 40 */
#include "../helpers.h"

#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define THREADS 3
#define ROUNDS  60
#define KINDS   6

extern char **environ;

/* Both processes have it: mapped from a file that the second inherits as descriptor 20. */
static struct shared {
	pthread_mutex_t mutex[KINDS];
	long counter[KINDS];
	pthread_mutex_t gate;
	pthread_cond_t changed;
	int turn;
	pthread_barrier_t barrier;
	int arrived, early;
	pthread_rwlock_t rwlock;
	int writers, readers, wrong;
	long written;
	sem_t items, room;
	long sum;
	pthread_mutex_t robust;
	volatile int stage;
} * shared;

static char semaphore_name[64];
static int kinds = KINDS, side;

static void init_mutex(int kind)
{
	static const int types[KINDS] = {PTHREAD_MUTEX_NORMAL,     PTHREAD_MUTEX_RECURSIVE,
					 PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_NORMAL,
					 PTHREAD_MUTEX_NORMAL,     PTHREAD_MUTEX_RECURSIVE};
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_settype(&attr, types[kind]);
	if (kind == 3 || kind == 5)
		pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	if (kind >= 4)
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	T_ZERO(pthread_mutex_init(&shared->mutex[kind], &attr));
}

static void init(int file)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;
	pthread_barrierattr_t barrier;
	pthread_rwlockattr_t rwlock;

	T_OK(ftruncate(file, sizeof(*shared)));
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	for (int kind = 0; kind < KINDS; kind++)
		init_mutex(kind);
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_mutex_init(&shared->gate, &mutex));
	pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
	T_ZERO(pthread_mutex_init(&shared->robust, &mutex));
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_cond_init(&shared->changed, &cond));
	pthread_barrierattr_init(&barrier);
	pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_barrier_init(&shared->barrier, &barrier, 2 * THREADS));
	pthread_rwlockattr_init(&rwlock);
	pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED);
	T_ZERO(pthread_rwlock_init(&shared->rwlock, &rwlock));
	T_OK(sem_init(&shared->items, 1, 0));
	T_OK(sem_init(&shared->room, 1, 2));
}

/* Long enough held now and then that the others come to wait. */
static void linger(int i)
{
	if (i % 20 == 7)
		t_nap(1);
}

static void use_mutexes(void)
{
	for (int kind = 0; kind < kinds; kind++) {
		for (int i = 0; i < ROUNDS; i++) {
			long before;

			T_ZERO(pthread_mutex_lock(&shared->mutex[kind]));
			if (kind == 1)
				T_ZERO(pthread_mutex_lock(&shared->mutex[kind]));
			if (kind == 2 && pthread_mutex_lock(&shared->mutex[kind]) != EDEADLK)
				shared->wrong++;
			before = shared->counter[kind];
			linger(i);
			shared->counter[kind] = before + 1;
			if (kind == 1)
				T_ZERO(pthread_mutex_unlock(&shared->mutex[kind]));
			T_ZERO(pthread_mutex_unlock(&shared->mutex[kind]));
		}
	}
}

static void use_condition(int mine)
{
	for (int i = 0; i < 20; i++) {
		T_ZERO(pthread_mutex_lock(&shared->gate));
		while (shared->turn % (2 * THREADS) != mine)
			T_ZERO(pthread_cond_wait(&shared->changed, &shared->gate));
		shared->turn++;
		T_ZERO(pthread_cond_broadcast(&shared->changed));
		T_ZERO(pthread_mutex_unlock(&shared->gate));
	}
}

static void use_barrier(void)
{
	for (int i = 1; i <= 20; i++) {
		__atomic_add_fetch(&shared->arrived, 1, __ATOMIC_SEQ_CST);
		pthread_barrier_wait(&shared->barrier);
		if (__atomic_load_n(&shared->arrived, __ATOMIC_SEQ_CST) < i * 2 * THREADS)
			shared->early++;
	}
}

static void use_rwlock(int mine)
{
	for (int i = 0; i < ROUNDS; i++) {
		if ((i + mine) % 3 == 0) {
			T_ZERO(pthread_rwlock_wrlock(&shared->rwlock));
			shared->wrong += shared->writers++ != 0 || shared->readers;
			linger(i);
			shared->written++;
			shared->writers--;
		} else {
			T_ZERO(pthread_rwlock_rdlock(&shared->rwlock));
			__atomic_add_fetch(&shared->readers, 1, __ATOMIC_SEQ_CST);
			shared->wrong += shared->writers != 0;
			linger(i);
			__atomic_sub_fetch(&shared->readers, 1, __ATOMIC_SEQ_CST);
		}
		T_ZERO(pthread_rwlock_unlock(&shared->rwlock));
	}
}

/* One side makes, the other takes, through two places; the named one guards the sum. */
static void use_semaphores(sem_t *named)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (sem_wait(side ? &shared->items : &shared->room))
			;
		while (sem_wait(named))
			;
		shared->sum += side ? i : 1;
		T_OK(sem_post(named));
		T_OK(sem_post(side ? &shared->room : &shared->items));
	}
}

static void *use_all(void *arg)
{
	int mine = (int)(intptr_t)arg;
	sem_t *named = sem_open(semaphore_name, 0);

	use_mutexes();
	use_condition(mine);
	use_barrier();
	use_rwlock(mine);
	use_semaphores(named);
	sem_close(named);
	return NULL;
}

static void run_side(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		threads[i] = t_thread(use_all, (void *)(intptr_t)(side * THREADS + i));
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
}

/* The second process: without the preload it is the kernel's, and so are its locks. */
static pid_t native(const char *program)
{
	char *const args[] = {(char *)program, semaphore_name, NULL};
	pid_t child;

	unsetenv("LD_PRELOAD");
	T_ZERO(posix_spawn(&child, "/proc/self/exe", NULL, NULL, args, environ));
	return child;
}

static pid_t same_kind(void)
{
	pid_t child = T_OK(fork());

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	side = 1;
	run_side();
	_exit(7);
}

static void look(const char *with, pid_t child)
{
	run_side();
	t_say("%s: child %d", with, t_reap(child));
	for (int kind = 0; kind < kinds; kind++)
		t_say("mutex of kind %d: %ld", kind, shared->counter[kind]);
	t_say("turns %d, early %d, written %ld, sum %ld, wrong %d", shared->turn, shared->early,
	      shared->written, shared->sum, shared->wrong);
}

static void *holds(void *arg T_UNUSED)
{
	pthread_mutex_lock(&shared->robust);
	shared->stage = 1;
	pause();
	return NULL;
}

static void *waits(void *arg T_UNUSED)
{
	int error = pthread_mutex_lock(&shared->robust);

	if (error == EOWNERDEAD)
		pthread_mutex_consistent(&shared->robust);
	pthread_mutex_unlock(&shared->robust);
	return (void *)(intptr_t)error;
}

/* A thread that is not main holds a robust lock when its process is killed. */
static void kill_owner(bool while_waiting)
{
	pthread_t waiter;
	pid_t child;

	shared->stage = 0;
	child = T_OK(fork());
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		t_thread(holds, NULL);
		pause();
	}
	while (!shared->stage)
		t_nap(1);
	if (while_waiting) {
		waiter = t_thread(waits, NULL);
		t_settle();
	}
	T_OK(kill(child, SIGKILL));
	if (!while_waiting) {
		t_settle();
		waiter = t_thread(waits, NULL);
	}
	t_say("%s: %s", while_waiting ? "killed while another waits" : "killed before",
	      strerror((int)(intptr_t)t_join(waiter)));
	t_say("child %d", t_reap(child));
}

int main(int argc, char **argv)
{
	int file;
	sem_t *named;

	if (argc > 1) {
		strcpy(semaphore_name, argv[1]);
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, 20, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		side = 1;
		kinds = 4;
		run_side();
		return 7;
	}
	file = T_OK(open("shared", O_CREAT | O_RDWR, 0600));
	T_OK(dup2(file, 20));
	init(20);
	snprintf(semaphore_name, sizeof(semaphore_name), "/t_shared.%d", getpid());
	named = sem_open(semaphore_name, O_CREAT | O_EXCL, 0600, 1);
	look("of the same kind", same_kind());
	kill_owner(false);
	kill_owner(true);
	init(20);
	memset(shared->counter, 0, sizeof(shared->counter));
	shared->turn = shared->arrived = shared->early = shared->wrong = 0;
	shared->written = shared->sum = 0;
	kinds = 4; /* priority inheritance is between processes of a kind */
	look("native", native(argv[0]));
	sem_close(named);
	sem_unlink(semaphore_name);
	return t_done();
}
