/* SPDX-License-Identifier: MIT */
/*
 * The cost of one system call: made by an instruction of the program's own (the back door under
 * copatch) and made by libc.
 *
 * usage: trap [SECONDS]
 */
#include "bench.h"
#include <sys/syscall.h>

/* IMPORTANT: not getpid or the like, which a shim may well answer without asking anybody. */
static inline long own_getppid(void)
{
	long ret = SYS_getppid;

	__asm__ volatile("syscall" : "+a"(ret) : : "rcx", "r11", "memory");
	return ret;
}

int main(int argc, char **argv)
{
	double limit = (argc > 1 ? atof(argv[1]) : 0.2) * 1e9;
	uint64_t begin, took, calls;
	pid_t parent = getppid();

	for (int own = 1; own >= 0; own--) {
		calls = 0;
		begin = now_ns();
		do {
			for (int i = 0; i < 1000; i++)
				if ((own ? own_getppid() : getppid()) != parent)
					die("getppid", 0);
			calls += 1000;
			took = now_ns() - begin;
		} while (took < limit);
		result(own ? "own_ns" : "libc_ns", (double)took / calls);
	}
	return 0;
}
