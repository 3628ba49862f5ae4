/* SPDX-License-Identifier: MIT */
/* Frames and names of functions, from outside: elfutils does the work (libdw). */
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#include "eyes.h"

#define PAGE  4096UL
#define NAMES 4096

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
};

static struct {
	Dwfl *dwfl;
	struct eyes_process *process;
	const struct co_regs *regs; /* of the coroutine that is looked at, */
	uint64_t ip;                /* but this where it is in a stub */
	bool live;
	uint64_t page_at; /* a page of its stack, since they are read word by word */
	unsigned char page[PAGE];
} now;

/* A look-up goes through all symbols of a file, and many threads stand at the same place. */
static struct eyes_frame names[NAMES];

static bool read_live(uint64_t at, void *to, size_t n)
{
	const struct eyes_process *p = now.process;

	if (!now.live || at < p->live_at || at - p->live_at > p->live_size ||
	    n > p->live_size - (at - p->live_at))
		return false;
	memcpy(to, p->live_stack + (at - p->live_at), n);
	return true;
}

static bool read_word(Dwfl *dwfl, Dwarf_Addr at, Dwarf_Word *word, void *arg)
{
	uint64_t page = at & ~(PAGE - 1);

	(void)dwfl;
	(void)arg;
	if (read_live(at, word, sizeof(*word)))
		return true;
	if (at - page > PAGE - sizeof(*word))
		return now.process->read(now.process, at, word, sizeof(*word));
	if (now.page_at != page) {
		now.page_at = 1;
		if (!now.process->read(now.process, page, now.page, PAGE))
			return false;
		now.page_at = page;
	}
	memcpy(word, now.page + (at - page), sizeof(*word));
	return true;
}

/* There is one thread at a time, the one in `now`; its number means nothing. */
static pid_t next_thread(Dwfl *dwfl, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)arg;
	*thread_arg = *thread_arg ? NULL : &now;
	return *thread_arg ? now.process->pid : 0;
}

static bool get_thread(Dwfl *dwfl, pid_t tid, void *arg, void **thread_arg)
{
	(void)dwfl;
	(void)tid;
	(void)arg;
	*thread_arg = &now;
	return true;
}

/* By the numbers that DWARF gives them: System V ABI, AMD64 supplement, figure 3.36. */
static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct co_regs *r = now.regs;
	Dwarf_Word regs[17] = {
		r->ax, r->dx,  r->cx,  r->bx,  r->si,  r->di,  r->bp,  r->sp,  r->r8,
		r->r9, r->r10, r->r11, r->r12, r->r13, r->r14, r->r15, now.ip,
	};

	(void)arg;
	return dwfl_thread_state_registers(thread, 0, 17, regs);
}

static const Dwfl_Thread_Callbacks thread_callbacks = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = read_word,
	.set_initial_registers = set_registers,
};

/*
 * Each file once for each time that it is loaded: the libc of the program and that of libev's link
 * namespace may lie side by side, where dwfl_linux_proc_report takes both for one.
 */
static bool report_files(struct eyes_process *p)
{
	char vdso[32];
	size_t next;

	(void)snprintf(vdso, sizeof(vdso), "[vdso: %d]", (int)p->pid);
	for (size_t i = 0; i < p->maps; i = next) {
		const struct eyes_map *m = &p->map[i];
		const char *file = m->file;
		uint64_t end = m->end;

		next = i + 1;
		if (file && !strcmp(file, "[vdso]"))
			file = vdso;
		else if (!file || *file != '/' || m->offset)
			continue;
		for (size_t k = next; k < p->maps; k++) {
			if (!p->map[k].file)
				continue; /* what it sets to 0 when it starts */
			if (strcmp(p->map[k].file, file) != 0 || !p->map[k].offset)
				break;
			end = p->map[k].end;
			next = k + 1;
		}
		if (!dwfl_report_module(now.dwfl, file, m->begin, end))
			return false;
	}
	return true;
}

bool frames_open(struct eyes_process *p)
{
	frames_close();
	now.process = p;
	now.dwfl = dwfl_begin(&callbacks);
	if (!now.dwfl)
		return false;
	dwfl_report_begin(now.dwfl);
	if (!report_files(p) || dwfl_report_end(now.dwfl, NULL, NULL) ||
	    !dwfl_attach_state(now.dwfl, NULL, p->pid, &thread_callbacks, &now)) {
		frames_close();
		return false;
	}
	return true;
}

void frames_close(void)
{
	memset(names, 0, sizeof(names));
	if (now.dwfl)
		dwfl_end(now.dwfl);
	now.dwfl = NULL;
}

static void look_up(uint64_t at, struct eyes_frame *frame)
{
	Dwfl_Module *module = dwfl_addrmodule(now.dwfl, at);
	const char *file, *slash;
	Dwarf_Addr begin = 0;
	GElf_Off offset = 0;
	GElf_Sym sym;

	if (!module)
		return;
	file = dwfl_module_info(module, NULL, &begin, NULL, NULL, NULL, NULL, NULL);
	slash = file ? strrchr(file, '/') : NULL;
	frame->file = slash ? slash + 1 : file;
	frame->function = dwfl_module_addrinfo(module, at, &offset, &sym, NULL, NULL, NULL);
	frame->offset = frame->function ? offset : at - begin;
}

static void name_it(uint64_t at, struct eyes_frame *frame)
{
	struct eyes_frame *known = &names[(at ^ at >> 12) % NAMES];

	if (known->ip != at) {
		memset(known, 0, sizeof(*known));
		look_up(at, known);
		known->ip = at;
	}
	*frame = *known;
}

void frame_of_address(uint64_t at, struct eyes_frame *frame)
{
	memset(frame, 0, sizeof(*frame));
	frame->ip = at;
	if (now.dwfl && at)
		name_it(at, frame);
}

struct walk {
	struct eyes_frame *frame;
	unsigned count, room;
};

static int on_frame(Dwfl_Frame *state, void *arg)
{
	struct walk *w = arg;
	bool activation;
	Dwarf_Addr pc;

	if (!dwfl_frame_pc(state, &pc, &activation) || !pc || w->count == w->room)
		return DWARF_CB_ABORT;
	/* A return address may be behind the end of its function. */
	frame_of_address(activation ? pc : pc - 1, &w->frame[w->count]);
	w->frame[w->count].ip = pc;
	w->frame[w->count].offset += !activation;
	w->count++;
	return DWARF_CB_OK;
}

/* A function that only debug information names is called by the one that jumped into it. */
static void name_by_callers(struct eyes_process *p, struct eyes_frame *frame, unsigned frames)
{
	struct eyes_frame to;

	for (unsigned i = 0; i + 1 < frames; i++) {
		if (frame[i].function)
			continue;
		frame_of_address(callsite_target(p, frame[i + 1].ip), &to);
		if (to.function && !to.offset)
			frame[i].called = to.function;
	}
}

static void walk(const struct co_regs *regs, struct walk *w)
{
	now.regs = regs;
	now.ip = stubs_original(now.process, regs->ip);
	dwfl_getthread_frames(now.dwfl, now.process->pid, on_frame, w);
}

unsigned frames_of(struct eyes_process *p, const struct eyes_co *co, struct eyes_frame *frame,
		   unsigned room)
{
	struct walk w = {frame, 0, room};

	now.live = co->state == EYES_RUNNING && p->live && p->live_co == co->at;
	if (!now.dwfl || (co->state == EYES_RUNNING && !now.live))
		return 0;
	now.process = p;
	now.page_at = 1;
	walk(now.live ? &p->live_regs : &co->regs, &w);
	/* On copatch's own stack, where some ways in are not described: its own is the next one. */
	if (now.live && w.count && w.frame[w.count - 1].file &&
	    !strncmp(w.frame[w.count - 1].file, "libcopatch.so", 13)) {
		now.live = false;
		walk(&p->entry_regs, &w);
	}
	name_by_callers(p, frame, w.count);
	return w.count;
}
