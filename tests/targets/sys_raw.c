/* SPDX-License-Identifier: MIT */
/* System calls by the program's own instruction, and by code made at run time, count too. */
#include "../helpers.h"

#include <sys/mman.h>

static int ends[2];

static long raw(long number, long a, long b, long c)
{
#ifdef __x86_64__
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
#else
	long result = syscall(number, a, b, c);

	return result < 0 ? -errno : result;
#endif
}

static void *reads(void *arg)
{
	long (*function)(long, long, long, long) = raw;
	char byte = 0;
	long result;

#ifdef __x86_64__
	/* mov rax,rdi; mov rdi,rsi; mov rsi,rdx; mov rdx,rcx; syscall; ret */
	static const char code[] = "\x48\x89\xf8\x48\x89\xf7\x48\x89\xd6\x48\x89\xca\x0f\x05\xc3";

	if (arg) {
		char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

		memcpy(page, code, sizeof(code));
		T_OK(mprotect(page, 4096, PROT_READ | PROT_EXEC));
		memcpy(&function, &page, sizeof(function));
	}
#else
	(void)arg;
#endif
	result = function(SYS_read, ends[0], (long)&byte, 1);
	return (void *)(result == 1 ? (intptr_t)byte : result);
}

static void *sleeps(void *arg T_UNUSED)
{
	struct timespec ts = t_timespec(50);
	int64_t start = t_now_ms();
	long result = raw(SYS_nanosleep, (long)&ts, 0, 0);

	return (void *)(intptr_t)(result == 0 && t_took(start, 50));
}

int main(void)
{
	uint64_t args[11] = {[4] = SIGCHLD}; /* as of Linux 5.7; exit_signal */
	pthread_t own, written, sleeper;
	pid_t child;
	int sum;

	T_OK(pipe(ends));
	own = t_thread(reads, NULL);
	written = t_thread(reads, (void *)1);
	sleeper = t_thread(sleeps, NULL);
	t_check("slept", t_join(sleeper) != NULL);
	t_check("wrote", raw(SYS_write, ends[1], (long)"ab", 2) == 2);
	sum = (int)(intptr_t)t_join(own) + (int)(intptr_t)t_join(written);
	t_check("both threads read", sum == 'a' + 'b');
	t_say("bad descriptor %ld, unknown call %ld", raw(SYS_read, -1, 0, 0),
	      raw(100000, 0, 0, 0));
	t_say("clone3 of 8 bytes %ld, of 5000 %ld, of none %ld", raw(SYS_clone3, (long)args, 8, 0),
	      raw(SYS_clone3, (long)args, 5000, 0), raw(SYS_clone3, 1, 88, 0));
	child = (pid_t)raw(SYS_clone3, (long)args, 88, 0);
	if (!child)
		_exit(7);
	t_say("clone3 of 88 bytes ends with %d", t_reap(child));
	t_check("own thread id", raw(SYS_gettid, 0, 0, 0) == getpid());
	return t_done();
}
