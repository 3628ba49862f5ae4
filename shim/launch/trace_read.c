/* SPDX-License-Identifier: MIT */
/* Reads one event: a JSON object of strings and numbers, with one object of arguments in it. */
#include "trace_read.h"

#include <string.h>

struct reader {
	const char *at, *end;
};

static void skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* How many bytes of a character in UTF-8 are at `s`; 0: it is none. */
static size_t utf8(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (!n || s[0] > 0xf4 || n > left)
		return 0;
	if (n > 1 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		      (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)))
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* After \u. Surrogates become U+FFFD each: no name of ours has them. */
static bool take_unicode(struct reader *r, char out[3], size_t *n)
{
	unsigned code = 0;

	if (r->end - r->at < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(*r->at++);

		if (digit < 0)
			return false;
		code = code << 4 | (unsigned)digit;
	}
	if (code >= 0xd800 && code < 0xe000)
		code = 0xfffd;
	if (code < 0x80) {
		out[0] = (char)code;
		*n = 1;
	} else if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		*n = 2;
	} else {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		*n = 3;
	}
	return true;
}

static bool take_escape(struct reader *r, char out[3], size_t *n)
{
	static const char plain[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (r->at == r->end)
		return false;
	if (*r->at == 'u') {
		r->at++;
		return take_unicode(r, out, n);
	}
	found = *r->at ? strchr(plain, *r->at) : NULL;
	if (!found)
		return false;
	r->at++;
	out[0] = means[found - plain];
	*n = 1;
	return true;
}

/* What has no room in `out` is left out, in whole characters. Always ends in a 0. */
static bool take_string(struct reader *r, char *out, size_t size)
{
	size_t used = 0;

	if (!take(r, '"'))
		return false;
	while (r->at < r->end && *r->at != '"') {
		char made[4];
		size_t n;

		if ((unsigned char)*r->at < ' ')
			return false;
		if (*r->at == '\\') {
			r->at++;
			if (!take_escape(r, made, &n))
				return false;
			if (!made[0])
				made[0] = ' '; /* it would end the string for us */
		} else {
			n = utf8((const unsigned char *)r->at, (size_t)(r->end - r->at));
			if (!n)
				return false;
			memcpy(made, r->at, n);
			r->at += n;
		}
		if (used + n < size) {
			memcpy(out + used, made, n);
			used += n;
		} else {
			size = used + 1; /* nothing shorter after what is left out */
		}
	}
	out[used] = '\0';
	return take(r, '"');
}

/* In thousandths, no sign and no exponent: the library writes neither. */
static bool take_number(struct reader *r, uint64_t *out)
{
	uint64_t n = 0;
	int decimals = 0;
	bool any = false;

	skip_space(r);
	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
		if (n > TRACE_TIME_MAX / 10000)
			return false;
		n = n * 10 + (uint64_t)(*r->at - '0');
		any = true;
	}
	if (!any)
		return false;
	if (r->at < r->end && *r->at == '.') {
		for (r->at++; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
			if (decimals < 3) {
				n = n * 10 + (uint64_t)(*r->at - '0');
				decimals++;
			}
		if (!decimals)
			return false;
	}
	for (; decimals < 3; decimals++)
		n *= 10;
	*out = n;
	return true;
}

struct slot {
	const char *key;
	char *text; /* a string of `size`, */
	size_t size;
	uint64_t *number; /* or a number */
	bool *has;
	bool whole; /* in units, not thousandths */
};

static bool take_member(struct reader *r, const struct slot *slots, const char *key)
{
	char ignored_text[2];
	uint64_t ignored, *number = &ignored;
	char *text = ignored_text;
	size_t size = sizeof(ignored_text);
	bool whole = false;

	for (; slots->key; slots++) {
		if (strcmp(slots->key, key) != 0)
			continue;
		text = slots->text ? slots->text : text;
		size = slots->text ? slots->size : size;
		number = slots->number ? slots->number : number;
		whole = slots->whole;
		if (slots->has)
			*slots->has = true;
	}
	skip_space(r);
	if (r->at < r->end && *r->at == '"')
		return text != ignored_text || number == &ignored ? take_string(r, text, size)
								  : false;
	if (text != ignored_text || !take_number(r, number))
		return false;
	if (whole)
		*number /= 1000;
	return true;
}

static bool take_object(struct reader *r, const struct slot *slots, const struct slot *inner)
{
	if (!take(r, '{'))
		return false;
	if (take(r, '}'))
		return true;
	do {
		char key[16];

		if (!take_string(r, key, sizeof(key)) || !take(r, ':'))
			return false;
		if (inner && !strcmp(key, "args")) {
			if (!take_object(r, inner, NULL))
				return false;
		} else if (!take_member(r, slots, key)) {
			return false;
		}
	} while (take(r, ','));
	return take(r, '}');
}

bool trace_read_line(const char *line, size_t n, struct trace_event *event)
{
	char phase[4] = "", gave[8] = "";
	struct reader r = {line, line + n};
	const struct slot inner[] = {
		{"name", event->arg_name, sizeof(event->arg_name), NULL, NULL, false},
		{"word", event->word, sizeof(event->word), NULL, NULL, false},
		{"gave", gave, sizeof(gave), NULL, NULL, false},
		{"fd", NULL, 0, &event->fd, &event->has_fd, true},
		{"more", NULL, 0, &event->more, NULL, true},
		{"by", NULL, 0, &event->by, NULL, true},
		{NULL, NULL, 0, NULL, NULL, false},
	};
	const struct slot outer[] = {
		{"ph", phase, sizeof(phase), NULL, NULL, false},
		{"name", event->name, sizeof(event->name), NULL, NULL, false},
		{"cat", event->cat, sizeof(event->cat), NULL, NULL, false},
		{"pid", NULL, 0, &event->pid, NULL, true},
		{"tid", NULL, 0, &event->tid, &event->has_tid, true},
		{"ts", NULL, 0, &event->ts, &event->has_ts, false},
		{"dur", NULL, 0, &event->dur, &event->has_dur, false},
		{NULL, NULL, 0, NULL, NULL, false},
	};

	memset(event, 0, sizeof(*event));
	if (!take_object(&r, outer, inner))
		return false;
	(void)take(&r, ',');
	skip_space(&r);
	if (r.at != r.end || !phase[0] || phase[1] || !event->has_tid)
		return false;
	event->phase = phase[0];
	event->gave_way = gave[0];
	return true;
}
