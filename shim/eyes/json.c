/* SPDX-License-Identifier: MIT */
/* copatch ps --json */
#include <string.h>

#include "eyes.h"

/* How many bytes of well-formed UTF-8 begin here, 0: none. RFC 3629, section 4. */
static int utf8(const unsigned char *s)
{
	int n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	for (int i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void string(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putchar('"');
	while (*s) {
		int n = utf8(s);

		if (*s < ' ' || *s == '"' || *s == '\\' || *s == 0x7f)
			printf("\\u%04x", *s);
		else if (n)
			(void)fwrite(s, 1, (size_t)n, stdout);
		else
			printf("\\ufffd");
		s += n ? n : 1;
	}
	putchar('"');
}

static void string_or_null(const char *text)
{
	if (text)
		string(text);
	else
		printf("null");
}

static void print_frame(const struct eyes_frame *f)
{
	printf("{\"address\": \"%#lx\", \"function\": ", f->ip);
	string_or_null(f->function);
	printf(", \"offset\": %lu, \"file\": ", f->offset);
	string_or_null(f->file);
	printf(", \"called\": ");
	string_or_null(f->called);
	printf("}");
}

static void print_descriptors(struct eyes_process *p, const struct eyes_co *co)
{
	char text[512];

	printf(", \"descriptors\": [");
	for (unsigned i = 0; i < co->fds && i < EYES_FDS; i++) {
		descriptor_text(p->pid, co->fd[i].fd, text, sizeof(text));
		printf("%s{\"fd\": %d, \"read\": %s, \"write\": %s, \"file\": ", i ? ", " : "",
		       co->fd[i].fd, co->fd[i].events & 1 ? "true" : "false",
		       co->fd[i].events & 2 ? "true" : "false");
		string(text);
		printf("}");
	}
	printf("], \"more\": %u", co->fds > EYES_FDS ? co->fds - EYES_FDS : 0);
}

static void print_owner(const struct eyes_snapshot *s, const struct eyes_co *co)
{
	const struct eyes_co *owner = co->owner ? eyes_find(s, co->owner) : NULL;

	if (!owner) {
		printf(", \"owner\": null");
		return;
	}
	printf(", \"owner\": {\"id\": %d, \"name\": ", owner->tid);
	string(owner->name);
	printf("}");
}

static void print_wait(struct eyes_process *p, const struct eyes_snapshot *s,
		       const struct eyes_co *co, const struct eyes_frame *frame, unsigned frames)
{
	char text[512];

	if (co->wait == WAIT_NOTHING) {
		printf("null");
		return;
	}
	printf("{\"for\": \"%s\", \"call\": ", eyes_wait_name(co->wait));
	string_or_null(eyes_call_name(co->nr));
	eyes_wait_text(p, s, co, frame, frames, text, sizeof(text));
	printf(", \"text\": ");
	string(text);
	if (co->wait == WAIT_FD)
		print_descriptors(p, co);
	if (co->wait == WAIT_FUTEX) {
		printf(", \"address\": \"%#lx\", \"object\": ", co->queue_key);
		string_or_null(eyes_sync_name(co, frame, frames));
		print_owner(s, co);
	}
	if (co->timed)
		printf(", \"left_ns\": %ld", co->left_ns > 0 ? co->left_ns : 0);
	else
		printf(", \"left_ns\": null");
	printf("}");
}

static void print_one(struct eyes_process *p, const struct eyes_snapshot *s,
		      const struct eyes_co *co)
{
	struct eyes_frame frame[EYES_FRAMES], start;
	unsigned frames = frames_of(p, co, frame, EYES_FRAMES);
	char text[64];

	printf("  {\"id\": %d, \"name\": ", co->tid);
	string(co->name);
	printf(", \"start\": ");
	frame_of_address(co->start, &start);
	text_start(co, p->reg.pid, text, sizeof(text));
	printf("{\"address\": \"%#lx\", \"text\": ", co->start);
	string(text);
	printf("}, \"state\": \"%s\", \"for_ns\": %lu, \"cpu_ns\": %lu, \"switches\": %lu, ",
	       eyes_states[co->state], co->since_ns, co->cpu_ns, co->switches);
	if (co->stack)
		printf("\"stack_used\": %lu, \"waits\": ", co->stack);
	else
		printf("\"stack_used\": null, \"waits\": ");
	print_wait(p, s, co, frame, frames);
	printf(",\n   \"frames\": [");
	for (unsigned i = 0; i < frames; i++) {
		if (i)
			printf(", ");
		print_frame(&frame[i]);
	}
	printf("]}");
}

void json_print(struct eyes_process *p, const struct eyes_snapshot *s)
{
	printf("{\"pid\": %d, \"running\": %zu, \"runnable\": %zu, \"parked\": %zu, "
	       "\"complete\": %s, \"coroutines\": [\n",
	       (int)p->pid, s->running, s->runnable, s->parked, s->torn ? "false" : "true");
	for (size_t i = 0; i < s->count; i++) {
		print_one(p, s, &s->co[i]);
		printf(i + 1 < s->count ? ",\n" : "\n");
	}
	printf("]}\n");
}
