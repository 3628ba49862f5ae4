/* SPDX-License-Identifier: MIT */
/*
 * What the machine itself takes for the memory of N threads with the least of stacks: the time to
 * write to two pages out of four for each, for the first time, and once more after they were given
 * back. On a virtual machine the first time contains the host's work, if it has to find the memory;
 * so as much as a thread takes beside its stack is written to as well, and whoever runs next finds
 * it all there.
 *
 * usage: pages [THREADS]
 */
#include "bench.h"

#include <sys/mman.h>

#define PAGE  4096L
#define STACK (4 * PAGE)

static double touch(char *at, long from, long n)
{
	uint64_t begin = now_ns();

	for (long i = from; i < n; i++)
		at[i * STACK + 2 * PAGE] = at[i * STACK + 3 * PAGE] = 1;
	return (now_ns() - begin) / 1e3 / (n - from);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 10000, more = n + n / 5 + 1;
	char *at;

	if (n < 1) {
		fprintf(stderr, "usage: pages [THREADS]\n");
		return 2;
	}
	at = mmap(NULL, more * STACK, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		die("mmap", errno);
	result("first_us", touch(at, 0, n));
	touch(at, n, more);
	if (madvise(at, more * STACK, MADV_DONTNEED))
		die("madvise", errno);
	result("again_us", touch(at, 0, n));
	return 0;
}
