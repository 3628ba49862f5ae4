/* SPDX-License-Identifier: MIT */
/*
 * When no more threads can be had. The kernel's limits (RLIMIT_NPROC, threads-max, pid_max) guard
 * tables of its own in which a coroutine has no entry, so they do not count. But a program that
 * makes threads until it gets no more shall get no more, before the kernel kills somebody for
 * memory.
 */
#include "crowd.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "../scheduler/raw.h"

/* As many as natively fit at most, so that whatever is refused is refused natively too. */
#define CROWD 32768

/* Two touched pages of stack, and what we keep: tests/bench/RESULTS.md. */
#define EACH_KB 11

static unsigned long most;

void crowd_limit(unsigned long n)
{
	most = n;
}

/* The number in the line of this name; 0 if there is none. */
static uint64_t field(const char *text, const char *name)
{
	size_t n = strlen(name);
	uint64_t value = 0;

	while (*text && memcmp(text, name, n) != 0) {
		while (*text && *text != '\n')
			text++;
		text += *text == '\n';
	}
	if (!*text)
		return 0;
	for (text += n; *text == ' '; text++)
		;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t)(*text - '0');
	return value;
}

static bool memory_left(uint64_t kb)
{
	char text[2048 + 64] = ""; /* some room behind, for memcmp */
	long fd = raw3(__NR_open, "/proc/meminfo", O_RDONLY | O_CLOEXEC, 0);
	uint64_t available;

	if (raw_failed(fd))
		return true;
	raw3(__NR_read, fd, text, 2048);
	raw1(__NR_close, fd);
	available = field(text, "MemAvailable:");
	return !available || available + field(text, "SwapFree:") >= kb;
}

bool crowd_admits(unsigned long alive)
{
	if (most && alive >= most)
		return false;
	return alive % CROWD || memory_left((uint64_t)CROWD * EACH_KB);
}
