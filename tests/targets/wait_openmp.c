/* SPDX-License-Identifier: MIT */
/* LIBS: -fopenmp */
/* OpenMP, whose library makes raw futex calls or spins: regions, barriers, tasks and the like. */
#include "../helpers.h"

#include <omp.h>

static long fib(int n)
{
	long a, b;

	if (n < 2)
		return n;
#pragma omp task shared(a)
	a = fib(n - 1);
#pragma omp task shared(b)
	b = fib(n - 2);
#pragma omp taskwait
	return a + b;
}

/* Once more from the start, with this policy. */
static void again(const char *policy, char *name)
{
	char *args[] = {name, (char *)policy, NULL};

	setenv("OMP_WAIT_POLICY", policy, 1);
	T_OK(execv("/proc/self/exe", args));
}

int main(int argc, char **argv)
{
	long sum = 0, guarded = 0, result = 0;
	int phases = 0;

	/* libgomp reads the policy before main; an active one spins without a system call */
	if (argc == 1)
		again("passive", argv[0]);
	t_say("%s", argv[1]);
	omp_set_dynamic(0);
	/* with more threads than processors not even active ones spin for long */
	omp_set_num_threads(strcmp(argv[1], "active") ? 4 : 2);
#pragma omp parallel for reduction(+ : sum)
	for (int i = 1; i <= 100000; i++)
		sum += i;
	t_say("sum %ld", sum);
#pragma omp parallel
	{
		for (int i = 0; i < 50; i++) {
#pragma omp critical
			guarded++;
		}
		for (int i = 0; i < 10; i++) {
#pragma omp barrier
#pragma omp single
			phases++;
		}
	}
	t_say("guarded %ld phases %d", guarded, phases);
#pragma omp parallel
#pragma omp single
	result = fib(12);
	t_say("fib %ld", result);
	if (!t_failures && !strcmp(argv[1], "passive"))
		again("active", argv[0]);
	return t_done();
}
