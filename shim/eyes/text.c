/* SPDX-License-Identifier: MIT */
/* Numbers and names as people read them. */
#include <string.h>

#include "eyes.h"

#define FEW 6 /* frames of a line */

const char *const eyes_states[] = {"running", "runnable", "parked"};

/* What a hostile program calls its threads and files must not command the terminal. */
void text_clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text >= 0x7f)
			*text = '?';
}

void text_time(uint64_t ns, char *text, size_t size)
{
	uint64_t s = ns / 1000000000;

	if (ns < 1000000)
		(void)snprintf(text, size, "%luus", ns / 1000);
	else if (ns < 1000000000)
		(void)snprintf(text, size, "%lums", ns / 1000000);
	else if (s < 100)
		(void)snprintf(text, size, "%.1fs", (double)ns / 1e9);
	else if (s < 6000)
		(void)snprintf(text, size, "%lum%02lus", s / 60, s % 60);
	else if (s < 360000)
		(void)snprintf(text, size, "%luh%02lum", s / 3600, s / 60 % 60);
	else
		(void)snprintf(text, size, "%lud", s / 86400);
}

void text_size(uint64_t bytes, char *text, size_t size)
{
	if (bytes < 1024)
		(void)snprintf(text, size, "%lu", bytes);
	else if (bytes < 10240)
		(void)snprintf(text, size, "%.1fK", (double)bytes / 1024);
	else if (bytes < 10UL << 20)
		(void)snprintf(text, size, "%luK", bytes >> 10);
	else
		(void)snprintf(text, size, "%luM", bytes >> 20);
}

static bool is_bottom(const char *function)
{
	static const char *const names[] = {"start_thread", "clone", "clone3", "_start"};

	if (!strncmp(function, "__libc_start", 12))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(function, names[i]) ||
		    (!strncmp(function, "__", 2) && !strcmp(function + 2, names[i])))
			return true;
	return false;
}

void text_frames(const struct eyes_frame *frame, unsigned frames, char *text, size_t size)
{
	const char *before = "", *last = NULL;
	size_t used = 0;
	int names = 0;

	*text = 0;
	for (unsigned i = 0; i < frames && used < size && names < FEW; i++) {
		const char *f = frame[i].function ? frame[i].function : frame[i].called, *in;
		int n;

		/* What has no name in a library without symbols tells nobody anything. */
		if (!f && i + 1 < frames && frame[i].file && strstr(frame[i].file, ".so"))
			continue;
		if (f && (is_bottom(f) || !strcmp(f, "co_syscall")))
			continue;
		in = f ? f : frame[i].file ? frame[i].file : "?";
		if (!f && last && !strcmp(in, last))
			continue;
		last = in;
		n = snprintf(text + used, size - used, "%s%.*s", before, (int)strcspn(in, "@("),
			     in);
		used += n > 0 ? (size_t)n : 0;
		before = " < ";
		names++;
	}
	text_clean(text);
}

void text_start(const struct eyes_co *co, int main_tid, char *text, size_t size)
{
	struct eyes_frame f;

	if (co->tid == main_tid) {
		(void)snprintf(text, size, "main");
		return;
	}
	frame_of_address(co->start, &f);
	if (f.function)
		(void)snprintf(text, size, "%.*s", (int)strcspn(f.function, "@("), f.function);
	else if (f.file)
		(void)snprintf(text, size, "%s+%#lx", f.file, f.offset);
	else if (co->start)
		(void)snprintf(text, size, "%#lx", co->start);
	else
		(void)snprintf(text, size, "-");
	text_clean(text);
}
