/* SPDX-License-Identifier: MIT */
/*
 * Threads in states that the program knows. Each says "thread NAME ID NS ..." before it waits:
 * the time of CLOCK_MONOTONIC, and what it waits for; "ready" follows when all of them do, and
 * "spins" while one computes, with a third argument two.
 */
#include "../helpers.h"

#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, for_cond = PTHREAD_MUTEX_INITIALIZER,
		       said = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER, timed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t sem, never;
static pthread_t sleeper;
static int pair[2], tcp[3], lock_file[2], pipe_to[2], local[3], full[2], polled[3][2];
static pid_t child;
static char fifo[200], local_path[100];
static unsigned waiting;
static volatile bool stop_spinning;
volatile unsigned long spun;

static long clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void say(const char *name, const char *format, ...)
{
	char line[300];
	va_list args;
	int n = snprintf(line, sizeof(line), "thread %s %ld %ld ", name, (long)syscall(SYS_gettid),
			 clock_ns(CLOCK_MONOTONIC));

	va_start(args, format);
	vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&said);
	puts(line);
	fflush(stdout);
	waiting++;
	pthread_mutex_unlock(&said);
}

static void *reader(void *arg)
{
	char c;

	say("reader", "%d %d", pair[0], pair[1]);
	if (read(pair[0], &c, 1) < 0)
		return NULL;
	return arg;
}

static void *receiver(void *arg)
{
	struct sockaddr_in here, there;
	socklen_t n = sizeof(here), m = sizeof(there);
	char c;

	getsockname(tcp[1], (struct sockaddr *)&here, &n);
	getpeername(tcp[1], (struct sockaddr *)&there, &m);
	say("receiver", "%d %d %d", tcp[1], ntohs(here.sin_port), ntohs(there.sin_port));
	recv(tcp[1], &c, 1, 0);
	return arg;
}

static void *acceptor(void *arg)
{
	say("acceptor", "%d", tcp[0]);
	accept(tcp[0], NULL, NULL);
	return arg;
}

static void *locker(void *arg)
{
	say("locker", "%#lx", (unsigned long)&lock);
	pthread_mutex_lock(&lock);
	return arg;
}

static void *rwlocker(void *arg)
{
	say("rwlocker", "%#lx", (unsigned long)&rwlock);
	pthread_rwlock_rdlock(&rwlock);
	return arg;
}

static void *conder(void *arg)
{
	say("conder", "%#lx", (unsigned long)&cond);
	pthread_mutex_lock(&for_cond);
	pthread_cond_wait(&cond, &for_cond);
	return arg;
}

static void *timer(void *arg)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 500;
	say("timer", "%#lx %ld", (unsigned long)&timed, end.tv_sec * 1000000000 + end.tv_nsec);
	pthread_mutex_lock(&for_cond);
	pthread_cond_timedwait(&timed, &for_cond, &end);
	return arg;
}

static void *semaphore(void *arg)
{
	say("semaphore", "%#lx", (unsigned long)&sem);
	sem_wait(&sem);
	return arg;
}

static void *at_barrier(void *arg)
{
	say("barrier", "%#lx", (unsigned long)&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static void *sleeps(void *arg)
{
	say("sleeper", "1000");
	sleep(1000);
	return arg;
}

static void *joiner(void *arg)
{
	say("joiner", "-");
	pthread_join(sleeper, NULL);
	return arg;
}

static void *parent(void *arg)
{
	say("parent", "%d", (int)child);
	waitpid(child, NULL, 0);
	return arg;
}

static void *signals(void *arg)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	say("signals", "USR1,USR2");
	sigwait(&set, &sig);
	return arg;
}

static void *file_locker(void *arg)
{
	say("flocker", "%d", lock_file[1]);
	flock(lock_file[1], LOCK_EX);
	return arg;
}

static void *opener(void *arg)
{
	say("opener", "%s", fifo);
	if (open(fifo, O_RDONLY) < 0)
		return NULL;
	return arg;
}

__attribute__((noinline)) static void count_for_ever(void)
{
	while (!stop_spinning)
		spun++;
}

static void *second(void *arg)
{
	say("second", "-");
	count_for_ever();
	return arg;
}

static void *piper(void *arg)
{
	char c;

	say("piper", "%d %d %d", pipe_to[0], pipe_to[1], (int)child);
	if (read(pipe_to[0], &c, 1) < 0)
		return NULL;
	return arg;
}

static void *client(void *arg)
{
	char c;

	say("client", "%d %d %s", local[1], local[2], local_path);
	recv(local[1], &c, 1, 0);
	return arg;
}

static void *server(void *arg)
{
	char c;

	say("server", "%d %d %s", local[2], local[1], local_path);
	recv(local[2], &c, 1, 0);
	return arg;
}

static void *writer(void *arg)
{
	static char much[4 << 20];

	say("writer", "%d %d", full[0], full[1]);
	if (write(full[0], much, sizeof(much)) < 0)
		return NULL;
	return arg;
}

static void *poller(void *arg)
{
	struct pollfd p[3];

	for (int i = 0; i < 3; i++)
		p[i] = (struct pollfd){.fd = polled[i][0], .events = POLLIN};
	say("poller", "%d %d %d", p[0].fd, p[1].fd, p[2].fd);
	poll(p, 3, 700000);
	return arg;
}

static void *burner(void *arg)
{
	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < 200000000)
		spun++;
	say("burner", "%ld", clock_ns(CLOCK_THREAD_CPUTIME_ID));
	sem_wait(&never);
	return arg;
}

static void *counter(void *arg)
{
	for (int i = 0; i < 40; i++)
		usleep(1000);
	say("counter", "40");
	sem_wait(&never);
	return arg;
}

/* Says how far its stack reaches below the thread's descriptor, which lies at its upper end. */
__attribute__((noinline)) static void dig(int depth)
{
	volatile char room[20000];

	room[0] = (char)depth;
	if (depth) {
		dig(depth - 1);
	} else {
		say("digger", "%ld", (long)((char *)pthread_self() - (char *)room));
		sem_wait(&never);
	}
	room[1] = room[0];
}

static void *digger(void *arg)
{
	dig(2);
	return arg;
}

static void *spinner(void *arg)
{
	say("spinner", "-");
	count_for_ever();
	return arg;
}

static void connect_pair(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	tcp[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(tcp[0], (struct sockaddr *)&a, n) || listen(tcp[0], 5) ||
	    getsockname(tcp[0], (struct sockaddr *)&a, &n))
		_exit(1);
	tcp[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(tcp[1], (struct sockaddr *)&a, n))
		_exit(1);
	tcp[2] = accept(tcp[0], NULL, NULL);
}

static void connect_local(const char *folder)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(local_path, sizeof(local_path), "%s/socket", folder);
	memcpy(a.sun_path, local_path, sizeof(local_path));
	local[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	local[1] = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(local[0], (struct sockaddr *)&a, sizeof(a)) || listen(local[0], 1) ||
	    connect(local[1], (struct sockaddr *)&a, sizeof(a)))
		_exit(1);
	local[2] = accept(local[0], NULL, NULL);
}

static void set_up(const char *folder)
{
	char path[200];

	if (pipe(pipe_to))
		_exit(1);
	connect_pair();
	snprintf(path, sizeof(path), "%s/lock", folder);
	lock_file[0] = open(path, O_RDWR | O_CREAT, 0600);
	lock_file[1] = open(path, O_RDWR);
	flock(lock_file[0], LOCK_EX);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	mkfifo(fifo, 0600);
	pthread_barrier_init(&barrier, NULL, 5);
	sem_init(&sem, 0, 0);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	/* From here on the child has no part in it. */
	close(pipe_to[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	socketpair(AF_UNIX, SOCK_STREAM, 0, full);
	for (int i = 0; i < 3; i++)
		socketpair(AF_UNIX, SOCK_STREAM, 0, polled[i]);
	connect_local(folder);
	sem_init(&never, 0, 0);
	pthread_mutex_lock(&lock);
	pthread_rwlock_wrlock(&rwlock);
}

int main(int argc, char **argv)
{
	static void *(*const bodies[])(void *) = {
		reader,     receiver, acceptor, locker,  rwlocker,    conder, timer, semaphore,
		at_barrier, joiner,   parent,   signals, file_locker, opener, piper, client,
		server,     writer,   poller,   burner,  counter,     digger,
	};
	const unsigned n = sizeof(bodies) / sizeof(bodies[0]);
	bool spins = argc > 2;
	pthread_t thread;

	set_up(argc > 1 ? argv[1] : ".");
	pthread_create(&sleeper, NULL, sleeps, NULL);
	for (unsigned i = 0; i < n; i++)
		pthread_create(&thread, NULL, bodies[i], NULL);
	while (waiting < n + 1)
		usleep(1000);
	usleep(300000);
	say("main", "%d", (int)getpid());
	if (argc > 3)
		pthread_create(&thread, NULL, second, NULL);
	if (spins) {
		puts("spins");
		fflush(stdout);
		spinner(NULL);
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}
