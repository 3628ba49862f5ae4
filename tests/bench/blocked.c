/* SPDX-License-Identifier: MIT */
/*
 * N threads of 16 KiB stacks, all blocked on one condition variable: what each costs in resident
 * and in kernel memory, and the time to create, and to wake and join, each.
 *
 * usage: blocked [THREADS]
 */
#include "bench.h"

#define STACK (16 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;
static long here, expected = -1;
static int gone;

static void *block(void *arg)
{
	pthread_mutex_lock(&lock);
	if (++here == expected)
		pthread_cond_signal(&all_here);
	while (!gone)
		pthread_cond_wait(&go, &lock);
	pthread_mutex_unlock(&lock);
	return arg;
}

/* The sum of the named "Field:  123 kB" lines of a file in /proc, in bytes. */
static double proc_bytes(const char *path, const char *const *field)
{
	FILE *f = fopen(path, "r");
	char line[256];
	double sum = 0;

	if (!f)
		die(path, errno);
	while (fgets(line, sizeof(line), f)) {
		for (int i = 0; field[i]; i++) {
			size_t n = strlen(field[i]);

			if (!strncmp(line, field[i], n) && line[n] == ':')
				sum += atof(line + n + 1) * 1024;
		}
	}
	fclose(f);
	return sum;
}

static double resident(void)
{
	static const char *const field[] = {"Rss", NULL};

	return proc_bytes("/proc/self/smaps_rollup", field);
}

/* The whole machine's, so only the difference means anything, and only on a quiet machine. */
static double kernel_memory(void)
{
	static const char *const field[] = {"KernelStack", "PageTables", "Slab", NULL};

	return proc_bytes("/proc/meminfo", field);
}

/* What others on the machine hardly change: this process's page tables, and kernel stacks. */
static double steady_memory(void)
{
	static const char *const tables[] = {"VmPTE", NULL}, *const stacks[] = {"KernelStack",
										NULL};

	return proc_bytes("/proc/self/status", tables) + proc_bytes("/proc/meminfo", stacks);
}

int main(int argc, char **argv)
{
	long wanted = argc > 1 ? atol(argv[1]) : 10000, n;
	double rss, kernel, steady;
	uint64_t t, cpu, create, join, create_cpu, join_cpu;
	pthread_t *thread;
	int error = 0;

	if (wanted < 1) {
		fprintf(stderr, "usage: blocked [THREADS]\n");
		return 2;
	}
	thread = malloc(wanted * sizeof(*thread));
	if (!thread)
		die("malloc", ENOMEM);
	memset(thread, 0, wanted * sizeof(*thread));
	rss = resident();
	kernel = kernel_memory();
	steady = steady_memory();

	cpu = cpu_ns();
	t = now_ns();
	for (n = 0; n < wanted; n++) {
		error = try_start(&thread[n], STACK, block, &thread[n]);
		if (error)
			break;
	}
	pthread_mutex_lock(&lock);
	expected = n;
	while (here < expected)
		pthread_cond_wait(&all_here, &lock);
	pthread_mutex_unlock(&lock);
	create = now_ns() - t;
	create_cpu = cpu_ns() - cpu;

	rss = resident() - rss;
	kernel = kernel_memory() - kernel;
	steady = steady_memory() - steady;

	cpu = cpu_ns();
	t = now_ns();
	pthread_mutex_lock(&lock);
	gone = 1;
	pthread_cond_broadcast(&go);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < n; i++) {
		void *value;
		int failed = pthread_join(thread[i], &value);

		if (failed || value != &thread[i])
			die("pthread_join", failed);
	}
	join = now_ns() - t;
	join_cpu = cpu_ns() - cpu;

	/* Fewer than asked for is a finding, not a failure: the reader sees both numbers. */
	if (error)
		fprintf(stderr, "blocked: stopped at %ld threads: %s\n", n, strerror(error));
	if (!n)
		return 1;
	result("threads", n);
	result("resident_bytes", rss / n);
	result("kernel_bytes", kernel / n);
	result("all_bytes", (rss + kernel) / n);
	result("steady_bytes", (rss + steady) / n);
	result("create_us", create / 1e3 / n);
	result("join_us", join / 1e3 / n);
	result("create_cpu_us", create_cpu / 1e3 / n);
	result("join_cpu_us", join_cpu / 1e3 / n);
	return 0;
}
