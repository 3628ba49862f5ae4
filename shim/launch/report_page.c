/* SPDX-License-Identifier: MIT */
/* The page of copatch report: report.html with the trace's figures in it, as JSON. */
#include <string.h>

#include "report.h"

#define HOLE "@DATA@"

__asm__(".pushsection .rodata\n"
	"page_begin: .incbin \"shim/launch/report.html\"\n"
	"page_end: .byte 0\n"
	".popsection");
extern const char page_begin[] __attribute__((visibility("hidden")));
extern const char page_end[] __attribute__((visibility("hidden")));

/* Neither the string nor the script element that it stands in can be left. */
static void put_string(FILE *out, const char *s)
{
	(void)putc('"', out);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' ||
		    c == '\'' || c == 0x7f)
			(void)fprintf(out, "\\u%04x", c);
		else
			(void)putc(c, out);
	}
	(void)putc('"', out);
}

/* A file's name may be any bytes. */
static void put_bytes(FILE *out, const char *s)
{
	char text[256];
	size_t n = 0;

	for (; *s && n < sizeof(text) - 1; s++)
		text[n++] = (char)((unsigned char)*s < 0x80 ? *s : '?');
	text[n] = '\0';
	put_string(out, text);
}

static void put_threads(FILE *out, const struct trace_model *m)
{
	for (uint32_t i = 0; i < m->threads; i++) {
		const struct trace_thread *th = &m->thread[i];

		(void)fprintf(out, "%s[%lu,", i ? ",\n" : "", th->tid);
		put_string(out, th->name);
		(void)fprintf(out, ",%lu,%lu,%lu,%lu,%lu,%d", th->seen ? th->first - m->first : 0,
			      th->seen ? th->last - m->first : 0, th->runs, th->ran, th->by,
			      th->ended);
		for (int c = 0; c < CAUSES; c++)
			(void)fprintf(out, ",%lu", th->waited[c]);
		(void)putc(']', out);
	}
}

/*
 * Each span as its thread, begin, length, and what it waited for then (-1: nothing); a merged one
 * has its busy time as well.
 */
static void put_spans(FILE *out, const struct trace_model *m)
{
	for (uint32_t i = 0; i < m->spans; i++) {
		const struct trace_span *s = &m->span[i];

		(void)fprintf(out, "%s[%u,%lu,%lu,%ld", i ? "," : "", s->thread,
			      s->begin - m->first, s->end - s->begin,
			      s->what == TRACE_NONE ? -1L : (long)s->what);
		if (s->busy != s->end - s->begin)
			(void)fprintf(out, ",%lu", s->busy);
		(void)fputs(i % 8 == 7 ? "]\n" : "]", out);
	}
}

static void put_waits(FILE *out, const struct trace_model *m)
{
	(void)fputs("],\n\"whats\":[", out);
	for (uint32_t i = 0; i < m->whats; i++) {
		const struct trace_what *w = &m->what[i];

		(void)fprintf(out, "%s[%u,", i ? ",\n" : "", w->cause);
		put_string(out, w->text);
		(void)fprintf(out, ",%lu,%lu,%lu,%u]", w->count, w->total, w->longest, w->threads);
	}
	(void)fputs("],\n\"pairs\":[", out);
	for (uint32_t i = 0; i < m->pairs; i++) {
		const struct trace_pair *p = &m->pair[i];

		(void)fprintf(out, "%s[%u,%u,%lu,%lu,%lu,%d]", i ? "," : "", p->thread, p->what,
			      p->count, p->total, p->longest, p->open);
	}
}

static void put_data(FILE *out, const struct trace_model *m, const char *source)
{
	(void)fputs("{\"source\":", out);
	put_bytes(out, source);
	(void)fputs(",\"process\":", out);
	put_string(out, m->process);
	(void)fprintf(out,
		      ",\"length\":%lu,\"runs\":%lu,\"ran\":%lu,\"waits\":%lu,\"waited\":%lu,"
		      "\"merged\":%lu,\"bad\":%lu,\"untold\":%lu,\n\"steps\":[",
		      m->last - m->first, m->runs, m->ran, m->waits, m->wait_total, m->merged,
		      m->bad_lines, m->untold);
	for (int i = 0; i < TRACE_STEPS; i++)
		(void)fprintf(out, "%s[%lu,%lu]", i ? "," : "", m->step[i].count, m->step[i].total);
	(void)fputs("],\n\"threads\":[", out);
	put_threads(out, m);
	(void)fputs("],\n\"spans\":[", out);
	put_spans(out, m);
	put_waits(out, m);
	(void)fputs("]}", out);
}

void report_page(FILE *out, const struct trace_model *m, const char *source)
{
	const char *hole = strstr(page_begin, HOLE);

	(void)fwrite(page_begin, 1, (size_t)(hole - page_begin), out);
	put_data(out, m, source);
	hole += strlen(HOLE);
	(void)fwrite(hole, 1, (size_t)(page_end - hole), out);
}
