/* SPDX-License-Identifier: MIT */
/* How the text of a trace's events is put together: most of it are numbers. */
#ifndef COPATCH_TRACE_TEXT_H
#define COPATCH_TRACE_TEXT_H

#include <stdint.h>

#define TEXT_MAX  1024
#define TRACK_MAX 40
#define MS        1000000 /* nanoseconds */

/* One or several events; and what is the same in all of a thread's. */
struct text {
	char *at;
	char room[TEXT_MAX];
	char track[TRACK_MAX];
	unsigned track_length;
};

/* A number that is mostly the same as the last time. */
struct text_known {
	uint64_t n;
	unsigned length; /* 0: none yet */
	char digits[24];
};

/* Nothing below writes more than TEXT_MAX: numbers, a call's name, a thread's name. */
#define TEXT(t, literal)                                                   \
	do {                                                               \
		__builtin_memcpy((t)->at, (literal), sizeof(literal) - 1); \
		(t)->at += sizeof(literal) - 1;                            \
	} while (0)

static inline void text_string(struct text *t, const char *s)
{
	while (*s)
		*t->at++ = *s++;
}

static const char text_pairs[] =
	"00010203040506070809101112131415161718192021222324252627282930313233"
	"34353637383940414243444546474849505152535455565758596061626364656667"
	"6869707172737475767778798081828384858687888990919293949596979899";

/* Two digits at a time: most of what is written are numbers. */
static inline char *text_digits(char *to, uint64_t n)
{
	char digits[24];
	unsigned i = sizeof(digits);

	while (n >= 100) {
		i -= 2;
		__builtin_memcpy(digits + i, text_pairs + n % 100 * 2, 2);
		n /= 100;
	}
	i -= 2;
	__builtin_memcpy(digits + i, text_pairs + n * 2, 2);
	if (n < 10)
		i++;
	while (i < sizeof(digits))
		*to++ = digits[i++];
	return to;
}

static inline void text_number(struct text *t, uint64_t n)
{
	t->at = text_digits(t->at, n);
}

static inline void text_hex(struct text *t, uint64_t n)
{
	int shift = 60;

	while (shift && !(n >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*t->at++ = "0123456789abcdef"[n >> shift & 15];
}

static inline void text_known(struct text *t, struct text_known *k, uint64_t n)
{
	if (k->n != n || !k->length) {
		k->n = n;
		k->length = (unsigned)(text_digits(k->digits, n) - k->digits);
	}
	__builtin_memcpy(t->at, k->digits, sizeof(k->digits));
	t->at += k->length;
}

static inline void text_three_digits(struct text *t, unsigned n)
{
	t->at[0] = (char)('0' + n / 100);
	__builtin_memcpy(t->at + 1, text_pairs + n % 100 * 2, 2);
	t->at += 3;
}

/* Microseconds, to the nanosecond. */
static inline void text_time(struct text *t, uint64_t ns)
{
	text_number(t, ns / 1000);
	*t->at++ = '.';
	text_three_digits(t, (unsigned)(ns % 1000));
}

/* The same of a moment: many are within one millisecond. */
static inline void text_moment(struct text *t, uint64_t ns)
{
	static struct text_known ms;
	unsigned rest = (unsigned)(ns % MS);

	if (ns < MS) {
		text_time(t, ns);
		return;
	}
	text_known(t, &ms, ns / MS);
	text_three_digits(t, rest / 1000);
	*t->at++ = '.';
	text_three_digits(t, rest % 1000);
}

#endif
