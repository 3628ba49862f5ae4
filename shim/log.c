/* SPDX-License-Identifier: MIT */
/* Lines on stderr without libc. */
#include "log.h"

#include <stdarg.h>

#include "../scheduler/raw.h"

enum log_level log_level = LOG_WARN;

struct line {
	char text[512];
	unsigned len;
};

static void put(struct line *l, char c)
{
	if (l->len < sizeof(l->text) - 1)
		l->text[l->len++] = c;
}

static void put_number(struct line *l, unsigned long n, unsigned base)
{
	char digits[24];
	unsigned i = 0;

	do
		digits[i++] = "0123456789abcdef"[n % base];
	while (n /= base);
	while (i)
		put(l, digits[--i]);
}

void log_line(enum log_level level, const char *format, ...)
{
	struct line l = {.len = 0};
	va_list ap;

	if (level > log_level)
		return;
	for (const char *p = "copatch: "; *p; p++)
		put(&l, *p);
	va_start(ap, format);
	for (const char *p = format; *p; p++) {
		const char *s;
		long n;

		if (*p != '%') {
			put(&l, *p);
			continue;
		}
		switch (*++p) {
		case 's':
			for (s = va_arg(ap, const char *); *s; s++)
				put(&l, *s);
			break;
		case 'd':
			n = va_arg(ap, long);
			if (n < 0)
				put(&l, '-');
			put_number(&l, n < 0 ? -(unsigned long)n : (unsigned long)n, 10);
			break;
		case 'u':
			put_number(&l, va_arg(ap, unsigned long), 10);
			break;
		case 'x':
			put_number(&l, va_arg(ap, unsigned long), 16);
			break;
		default:
			put(&l, *p);
		}
	}
	va_end(ap);
	l.text[l.len++] = '\n';
	raw3(__NR_write, 2, l.text, l.len);
}

void log_fault(int sig, uint64_t at, uint64_t address)
{
	log_line(LOG_ERROR, "internal error: signal %d at text+0x%x, address 0x%x", (long)sig, at,
		 address);
}
