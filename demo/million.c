/* SPDX-License-Identifier: MIT */
/*
 * A million pthreads in one process count down together: ten, nine, ... none goes on to the next
 * number before all have said this one. An ordinary program: it knows nothing of copatch.
 *
 * usage: million [THREADS]
 */
/* LIBS: -pthread */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FROM        10
#define STACK       (32UL << 10)
#define THREADS_MAX 4000000
#define PROBE       1000 /* threads made beforehand, to see what one costs */
#define KERNEL_SIDE 32   /* KiB that the kernel takes for a thread of its own */

static atomic_ulong said;
static pthread_barrier_t number;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("million: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(125);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The number behind KEY in a file of /proc, or at its begin when KEY is empty; -1 none. */
static long look(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long n = -1;

	while (file && n < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			n = atol(line + strlen(key));
	if (file)
		fclose(file);
	return n;
}

static long mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	long n = 0;
	int c;

	while (file && (c = getc(file)) != EOF)
		n += c == '\n';
	if (file)
		fclose(file);
	return n;
}

static void *count_down(void *unused)
{
	for (int i = FROM; i >= 0; i--) {
		atomic_fetch_add(&said, 1);
		pthread_barrier_wait(&number);
		/* the main thread reads what has been said, and prints it */
		pthread_barrier_wait(&number);
	}
	return unused;
}

static void *wait_once(void *unused)
{
	pthread_barrier_wait(&number);
	return unused;
}

/* How many of N threads could be made. */
static unsigned long make(pthread_t *thread, unsigned long n, void *(*run)(void *), int *error)
{
	pthread_attr_t attr;
	unsigned long i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (i = 0; i < n; i++) {
		*error = pthread_create(&thread[i], &attr, run, NULL);
		if (*error)
			break;
	}
	pthread_attr_destroy(&attr);
	return i;
}

static void check_kernel(unsigned long n)
{
	struct rlimit tasks;

	if (!getrlimit(RLIMIT_NPROC, &tasks) && geteuid() && tasks.rlim_cur < n)
		fail("%lu threads are more than RLIMIT_NPROC allows (%lu): ulimit -u", n,
		     (unsigned long)tasks.rlim_cur);
	if (look("/proc/sys/kernel/threads-max", "") < (long)n)
		fail("%lu threads of the kernel's are more than kernel.threads-max (%ld) allows", n,
		     look("/proc/sys/kernel/threads-max", ""));
	if (look("/proc/sys/kernel/pid_max", "") < (long)n)
		fail("%lu threads of the kernel's are more than kernel.pid_max (%ld) allows", n,
		     look("/proc/sys/kernel/pid_max", ""));
}

/* Makes some, measures, and says beforehand what would go wrong with all of them. */
static void check_limits(unsigned long n, pthread_t *thread)
{
	unsigned long probe = n < PROBE ? n : PROBE;
	long maps = mappings(), memory = look("/proc/self/status", "VmRSS:");
	long maps_max = look("/proc/sys/vm/max_map_count", "");
	long available = look("/proc/meminfo", "MemAvailable:");
	long kernel_threads;
	int error = 0;

	pthread_barrier_init(&number, NULL, (unsigned)probe + 1);
	if (make(thread, probe, wait_once, &error) < probe)
		fail("cannot make %lu threads to begin with: %s", probe, strerror(error));
	maps = (mappings() - maps) * (long)n / (long)probe;
	memory = (look("/proc/self/status", "VmRSS:") - memory) * (long)n / (long)probe;
	kernel_threads = look("/proc/self/status", "Threads:");
	pthread_barrier_wait(&number);
	for (unsigned long i = 0; i < probe; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&number);
	if (kernel_threads > (long)probe) {
		check_kernel(n);
		memory += (long)n * KERNEL_SIDE;
	}
	if (maps_max > 0 && maps > maps_max)
		fail("%lu threads take about %ld mappings, and vm.max_map_count is %ld: sysctl -w "
		     "vm.max_map_count=%ld, or fewer threads",
		     n, maps, maps_max, maps + maps / 8);
	if (available > 0 && memory > available)
		fail("%lu threads take about %ld MiB, and %ld MiB are free: fewer threads", n,
		     memory >> 10, available >> 10);
}

static unsigned long read_count(int argc, char **argv)
{
	unsigned long n = 1000000;
	char *end = "";

	if (argc > 1)
		n = strtoul(argv[1], &end, 10);
	if (argc > 2 || *end || n < 1 || n > THREADS_MAX || (argc > 1 && argv[1][0] == '-'))
		fail("usage: million [THREADS], from 1 to %d", THREADS_MAX);
	return n;
}

int main(int argc, char **argv)
{
	unsigned long n = read_count(argc, argv), made;
	pthread_t *thread = calloc(n, sizeof(*thread));
	double begun, all_made;
	int error = 0;

	if (!thread)
		fail("no memory for the names of %lu threads", n);
	setvbuf(stdout, NULL, _IOLBF, 0);
	check_limits(n, thread);
	pthread_barrier_init(&number, NULL, (unsigned)n + 1);
	begun = now();
	made = make(thread, n, count_down, &error);
	if (made < n)
		fail("thread %lu of %lu cannot be made: %s: see vm.max_map_count, "
		     "kernel.threads-max, "
		     "ulimit -u and free memory",
		     made + 1, n, strerror(error));
	all_made = now();
	printf("%lu threads wait, %ld of the kernel's, %ld MiB resident, made in %.2f s\n", n,
	       look("/proc/self/status", "Threads:"), look("/proc/self/status", "VmRSS:") >> 10,
	       all_made - begun);
	for (int i = FROM; i >= 0; i--) {
		pthread_barrier_wait(&number);
		printf("%2d, say %lu\n", i, atomic_exchange(&said, 0));
		pthread_barrier_wait(&number);
	}
	for (unsigned long i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	printf("all have ended, %.2f s after the first number\n", now() - all_made);
	free(thread);
	return 0;
}
