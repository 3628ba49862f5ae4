/* SPDX-License-Identifier: MIT */
/* How a broken invariant ends the process: seen, never as a silent wrong answer. */
#include "check.h"

#include <signal.h>

#include "raw.h"

static void put(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	raw3(__NR_write, 2, s, n);
}

_Noreturn void check_failed(const char *what, const char *file, int line)
{
	/* struct sigaction of the kernel: the default action, whatever handler stands there now. */
	uint64_t dfl[4] = {0}, none = 0;
	char digits[12], *p = digits + sizeof(digits) - 1;

	*p = 0;
	do
		*--p = (char)('0' + line % 10);
	while (line /= 10);
	put("copatch: internal error at ");
	put(file);
	put(":");
	put(p);
	put(": ");
	put(what);
	put("\n");
	raw4(__NR_rt_sigaction, SIGABRT, dfl, 0, 8);
	raw4(__NR_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
	raw2(__NR_kill, raw0(__NR_getpid), SIGABRT);
	raw1(__NR_exit_group, 134);
	__builtin_unreachable();
}
