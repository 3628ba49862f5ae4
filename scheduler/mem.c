/* SPDX-License-Identifier: MIT */
/*
 * The memory functions that the compiler calls on its own. libc's use vector registers, which
 * belong to the coroutine that stands at the door.
 */
#include <stddef.h>
#include <string.h>

void *memcpy(void *restrict d, const void *restrict s, size_t n)
{
	void *ret = d;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	return ret;
}

void *memmove(void *d, const void *s, size_t n)
{
	char *to = (char *)d + n;
	const char *from = (const char *)s + n;

	if ((char *)d <= (const char *)s || (char *)d >= from)
		return memcpy(d, s, n);
	while (n--)
		*--to = *--from;
	return d;
}

void *memset(void *d, int c, size_t n)
{
	void *ret = d;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}
