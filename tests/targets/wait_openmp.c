/* SPDX-License-Identifier: MIT */
/* LIBS: -fopenmp */
/* OpenMP regions, barriers, critical sections and tasks, whose library makes raw futex calls. */
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

int main(int argc T_UNUSED, char **argv)
{
	long sum = 0, guarded = 0, result = 0;
	int phases = 0;

	/* libgomp reads the policy before main; an active one spins without a system call */
	if (!getenv("OMP_WAIT_POLICY")) {
		setenv("OMP_WAIT_POLICY", "passive", 1);
		T_OK(execv("/proc/self/exe", argv));
	}
	omp_set_dynamic(0);
	omp_set_num_threads(4);
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
	return t_done();
}
