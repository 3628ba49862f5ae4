/* SPDX-License-Identifier: MIT */
/* Assertions of our own invariants; they stay on in every build. */
#ifndef COPATCH_CHECK_H
#define COPATCH_CHECK_H

/* One line on stderr with the place in our code, then SIGABRT. */
_Noreturn void check_failed(const char *what, const char *file, int line);

#define CHECK(cond)                                              \
	do {                                                     \
		if (__builtin_expect(!(cond), 0))                \
			check_failed(#cond, __FILE__, __LINE__); \
	} while (0)

#endif
