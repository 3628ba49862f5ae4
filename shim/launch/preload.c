/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD: a list parted by colons or spaces. */
#include <string.h>

#include "launch.h"

#define SEPARATORS ": "

static int is_copatch(const char *item, size_t n)
{
	static const char name[] = "libcopatch.so";
	const size_t length = sizeof(name) - 1;

	return n >= length && !memcmp(item + n - length, name, length) &&
	       (n == length || item[n - length - 1] == '/');
}

static void append(char *joined, size_t size, size_t *used, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++, (*used)++)
		if (*used < size)
			joined[*used] = text[i];
}

/*
 * Writes LIBRARY, then what OLD held. Any other copatch is left out: two of them in one process
 * would each take the other's system calls for the program's. Returns the length, as snprintf.
 */
size_t preload_join(char *joined, size_t size, const char *library, const char *old)
{
	size_t used = 0;

	append(joined, size, &used, library, strlen(library));
	while (old && *old) {
		size_t n = strcspn(old, SEPARATORS);

		if (n && !is_copatch(old, n)) {
			append(joined, size, &used, ":", 1);
			append(joined, size, &used, old, n);
		}
		old += n + strspn(old + n, SEPARATORS);
	}
	if (size)
		joined[used < size ? used : size - 1] = '\0';
	return used;
}

int preload_has_copatch(const char *list)
{
	while (list && *list) {
		size_t n = strcspn(list, SEPARATORS);

		if (is_copatch(list, n))
			return 1;
		list += n + strspn(list + n, SEPARATORS);
	}
	return 0;
}
