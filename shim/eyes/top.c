/* SPDX-License-Identifier: MIT */
/* copatch top: looks again each second, and shows who does most. */
#include <curses.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "eyes.h"

#define INTERVAL_MS 1000
#define MODULES_AGE 10 /* looks, until libraries loaded meanwhile are seen */
#define HEAD_LINES  3

enum order { BY_CPU, BY_SWITCHES, BY_WAIT, ORDERS };

struct row {
	const struct eyes_co *co;
	uint64_t cpu, switches; /* since the look before */
};

static struct {
	struct eyes_process *process;
	struct eyes_snapshot now, before;
	uint64_t looked, elapsed; /* nanoseconds */
	struct row *row;
	size_t first; /* row at the top of the window */
	unsigned looks;
} top;

static enum order order; /* outside, for qsort */

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	uint64_t m = 0, n = 0;

	switch (order) {
	case BY_CPU:
		m = x->cpu;
		n = y->cpu;
		break;
	case BY_SWITCHES:
		m = x->switches;
		n = y->switches;
		break;
	default:
		m = x->co->since_ns;
		n = y->co->since_ns;
	}
	if (m != n)
		return m < n ? 1 : -1;
	return (x->co->tid > y->co->tid) - (x->co->tid < y->co->tid);
}

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* False: there is no more to see. */
static bool look(void)
{
	uint64_t now = clock_ns();
	struct row *row;

	eyes_forget(&top.before);
	top.before = top.now;
	memset(&top.now, 0, sizeof(top.now));
	if (!eyes_alive(top.process) || eyes_look(top.process, &top.now))
		return false;
	top.elapsed = top.looked ? now - top.looked : 0;
	top.looked = now;
	if (top.looks++ % MODULES_AGE == 0) {
		if (eyes_read_maps(top.process))
			return false;
		frames_open(top.process);
	}
	descriptors_open(top.process->pid);
	eyes_stop_and_look(top.process, &top.now);
	row = realloc(top.row, (top.now.count + 1) * sizeof(*row));
	if (!row)
		return false;
	top.row = row;
	for (size_t i = 0; i < top.now.count; i++) {
		const struct eyes_co *co = &top.now.co[i], *old = eyes_find(&top.before, co->tid);

		row[i].co = co;
		row[i].cpu = !old ? 0 : co->cpu_ns > old->cpu_ns ? co->cpu_ns - old->cpu_ns : 0;
		row[i].switches =
			old && co->switches > old->switches ? co->switches - old->switches : 0;
	}
	return true;
}

static void draw_row(const struct row *r, int y)
{
	struct eyes_frame frame[EYES_FRAMES];
	const struct eyes_co *co = r->co;
	unsigned frames = frames_of(top.process, co, frame, EYES_FRAMES);
	char name[16], since[32] = "-", cpu[32], wait[400], in[400], line[1200];
	double share = top.elapsed ? 100.0 * (double)r->cpu / (double)top.elapsed : 0;
	uint64_t rate = top.elapsed ? r->switches * 1000000000 / top.elapsed : 0;

	memcpy(name, co->name, sizeof(name));
	text_clean(name);
	if (co->since_ns)
		text_time(co->since_ns, since, sizeof(since));
	text_time(co->cpu_ns, cpu, sizeof(cpu));
	eyes_wait_text(top.process, &top.now, co, frame, frames, wait, sizeof(wait));
	text_frames(frame, frames, in, sizeof(in));
	(void)snprintf(line, sizeof(line), "%8d %-15s %-8s %5.1f %6s %8lu %6s %s%s%s", co->tid,
		       name, eyes_states[co->state], share > 999 ? 999 : share, cpu, rate, since,
		       wait,
		       *wait && *in ? "  in "
		       : *in        ? "in "
				    : "",
		       in);
	mvaddnstr(y, 0, line, COLS);
}

static void draw(void)
{
	static const char *const orders[] = {"processor time", "switches", "waiting time"};
	size_t rows = LINES > HEAD_LINES ? (size_t)(LINES - HEAD_LINES) : 0;

	erase();
	qsort(top.row, top.now.count, sizeof(*top.row), compare);
	if (top.first + rows > top.now.count)
		top.first = top.now.count > rows ? top.now.count - rows : 0;
	mvprintw(0, 0, "process %d: %zu coroutines, %zu running, %zu runnable, %zu parked%s",
		 (int)top.process->pid, top.now.count, top.now.running, top.now.runnable,
		 top.now.parked, top.now.torn ? " (some are missing)" : "");
	mvprintw(1, 0, "by %s; keys: c processor time, s switches, w waiting time, arrows, q quit",
		 orders[order]);
	attron(A_REVERSE);
	mvprintw(2, 0, "%8s %-15s %-8s %5s %6s %8s %6s %-*s", "ID", "NAME", "STATE", "CPU%", "CPU",
		 "SWITCH/s", "FOR", COLS > 62 ? COLS - 63 : 0, "WAITS FOR");
	attroff(A_REVERSE);
	for (size_t i = 0; i < rows && top.first + i < top.now.count; i++)
		draw_row(&top.row[top.first + i], HEAD_LINES + (int)i);
	refresh();
}

/* False: quit. */
static bool obey(int key)
{
	size_t page = LINES > HEAD_LINES ? (size_t)(LINES - HEAD_LINES) : 1;

	switch (key) {
	case 'q':
		return false;
	case 'c':
		order = BY_CPU;
		break;
	case 's':
		order = BY_SWITCHES;
		break;
	case 'w':
		order = BY_WAIT;
		break;
	case KEY_DOWN:
		top.first++;
		break;
	case KEY_UP:
		top.first -= top.first > 0;
		break;
	case KEY_NPAGE:
		top.first += page;
		break;
	case KEY_PPAGE:
		top.first -= top.first > page ? page : top.first;
		break;
	default: /* KEY_RESIZE: drawing anew is all */
		break;
	}
	return true;
}

int top_main(struct eyes_process *p)
{
	bool goes_on = true, ended = false;

	if (!isatty(0) || !isatty(1))
		eyes_fail("top needs a terminal: copatch ps %d prints the same once", (int)p->pid);
	if (!newterm(NULL, stdout, stdin))
		eyes_fail("this terminal is not known: set TERM to what it is");
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	top.process = p;
	while (goes_on && !ended) {
		uint64_t next;

		ended = !look();
		for (next = clock_ns() + INTERVAL_MS * 1000000UL; !ended && goes_on;) {
			uint64_t now = clock_ns();
			int key;

			draw();
			if (now >= next)
				break;
			timeout((int)((next - now) / 1000000) + 1);
			key = getch();
			/* The terminal is gone. */
			if (key == ERR && errno != EINTR && clock_ns() + 1000000 < next)
				goes_on = isatty(0);
			else if (key != ERR)
				goes_on = obey(key);
		}
	}
	endwin();
	if (ended)
		printf("process %d has ended\n", (int)p->pid);
	return 0;
}
