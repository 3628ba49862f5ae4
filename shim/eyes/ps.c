/* SPDX-License-Identifier: MIT */
/* copatch ps: one look, as a table. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "eyes.h"

#define WIDE 100000 /* nobody's terminal: nothing is cut */

static int width(void)
{
	struct winsize size;
	const char *columns = getenv("COLUMNS");

	if (!isatty(1))
		return WIDE;
	if (columns && atoi(columns) >= 40)
		return atoi(columns);
	return ioctl(1, TIOCGWINSZ, &size) || size.ws_col < 40 ? 80 : size.ws_col;
}

/* A column of START; of "program+0x1234" the number stays whole. */
#define START_WIDTH 16

static void cut_start(char *start)
{
	size_t n = strlen(start), over = n > START_WIDTH ? n - START_WIDTH : 0;
	char *number = strrchr(start, '+');

	if (number && over < (size_t)(number - start))
		memmove(number - over, number, strlen(number) + 1);
}

static void print_row(struct eyes_process *p, const struct eyes_snapshot *s,
		      const struct eyes_co *co, int columns)
{
	struct eyes_frame frame[EYES_FRAMES];
	unsigned frames = frames_of(p, co, frame, EYES_FRAMES);
	char name[16], start[64], since[32] = "-", cpu[32], stack[32] = "-", wait[512], in[512];
	int used;

	memcpy(name, co->name, sizeof(name));
	text_clean(name);
	text_start(co, p->reg.pid, start, sizeof(start));
	cut_start(start);
	if (co->since_ns)
		text_time(co->since_ns, since, sizeof(since));
	text_time(co->cpu_ns, cpu, sizeof(cpu));
	if (co->stack)
		text_size(co->stack, stack, sizeof(stack));
	eyes_wait_text(p, s, co, frame, frames, wait, sizeof(wait));
	text_frames(frame, frames, in, sizeof(in));
	used = printf("%8d %-15s %-16.16s %-8s %6s %6s %8lu %6s ", co->tid, name, start,
		      eyes_states[co->state], since, cpu, co->switches, stack);
	if (columns - used >= (int)strlen(wait) || columns == WIDE)
		printf("%s\n", wait);
	else if (*wait)
		printf("\n           %.*s\n", columns - 12, wait);
	else
		printf("\n");
	if (*in)
		printf("           in %.*s\n", columns - 15, in);
}

int ps_main(struct eyes_process *p, bool json)
{
	struct eyes_snapshot s = {.co = NULL};
	int columns = width(), err = eyes_look(p, &s);

	if (err)
		eyes_fail("%d: cannot read its list of coroutines: %s", (int)p->pid,
			  strerror(-err));
	eyes_stop_and_look(p, &s);
	frames_open(p);
	descriptors_open(p->pid);
	if (json) {
		json_print(p, &s);
	} else {
		printf("process %d: %zu coroutines, %zu running, %zu runnable, %zu parked%s\n",
		       (int)p->pid, s.count, s.running, s.runnable, s.parked,
		       s.torn ? " (it changes too fast: some are missing)" : "");
		printf("%8s %-15s %-16s %-8s %6s %6s %8s %6s %s\n", "ID", "NAME", "START", "STATE",
		       "FOR", "CPU", "SWITCHES", "STACK", "WAITS FOR");
		for (size_t i = 0; i < s.count; i++)
			print_row(p, &s, &s.co[i], columns);
	}
	descriptors_close();
	frames_close();
	eyes_forget(&s);
	return 0;
}
