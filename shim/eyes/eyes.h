/* SPDX-License-Identifier: MIT */
/* What the files of `copatch ps` and `copatch top` share: what is seen of a process. */
#ifndef COPATCH_EYES_H
#define COPATCH_EYES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "../../scheduler/switch.h"
#include "../owner.h"
#include "../registry.h"

#define EYES_FDS    8 /* descriptors of one wait that are kept; the others are counted */
#define EYES_FRAMES 32

enum eyes_state { EYES_RUNNING, EYES_RUNNABLE, EYES_PARKED };

enum eyes_wait {
	WAIT_NOTHING,
	WAIT_FD,
	WAIT_TIME,
	WAIT_FUTEX,
	WAIT_CHILD,
	WAIT_SIGNAL,
	WAIT_HELPER,
};

struct eyes_co {
	/* as read */
	uint64_t at; /* its address there */
	int tid;
	char name[16];
	struct co_regs regs;
	uint64_t fs;
	uint64_t clear_tid;
	uint64_t switches;
	int nr; /* of the system call, -1 none */
	uint64_t arg[6];
	uint64_t queue_key;
	uint64_t sigwait;
	bool helper;
	unsigned fds; /* so many, of which the first EYES_FDS are here */
	struct {
		int fd;
		short events;
	} fd[EYES_FDS];
	bool timed;
	int64_t left_ns; /* until the deadline */

	/* made of it */
	enum eyes_state state;
	enum eyes_wait wait;
	uint64_t since_ns; /* it has waited, or has not run */
	uint64_t cpu_ns;
	uint64_t start; /* address of its start routine, 0 unknown */
	uint64_t stack; /* bytes in use, 0 unknown */
	enum owner_kind owner_kind;
	int owner; /* who holds what it waits for, 0 unknown */
};

struct eyes_map {
	uint64_t begin, end, offset;
	bool executable;
	char *file; /* NULL: none */
};

/* A process: how its memory is read, and where things are in it. */
struct eyes_process {
	pid_t pid;
	/* As process_vm_readv of one piece: whether all of it is there. */
	bool (*read)(struct eyes_process *p, uint64_t at, void *to, size_t n);
	struct eyes_map *map;
	size_t maps;
	struct copatch_registry reg;
	int64_t start_at; /* of start_routine in struct pthread, -1 unknown */
	double ns_per_tick;
	/* The registers of a running thread and what its stack held then: see running.c. */
	bool live;
	uint64_t live_co; /* whose they are: address of the coroutine */
	struct co_regs live_regs;
	struct co_regs entry_regs; /* those it had when it last came to a door */
	uint64_t live_at, live_size;
	unsigned char *live_stack;
};

struct eyes_snapshot {
	struct eyes_co *co;
	size_t count, room;
	size_t running, runnable, parked;
	bool torn; /* the list changed at each look: some may be missing */
};

struct eyes_frame {
	uint64_t ip;
	uint64_t offset;      /* in the function, or in the file where that is unknown */
	const char *function; /* NULL unknown; both live as long as the unwinder */
	const char *file;     /* without its folders; NULL none */
	const char *called;   /* where it has no name: what its caller has called; NULL unknown */
};

/* main.c */
_Noreturn void eyes_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* process.c */
/* Ends the program with one line if the process is not one of ours. */
void eyes_open(struct eyes_process *p, pid_t pid);
/* The count that the process would see now. */
uint64_t eyes_counts(const struct eyes_process *p);
/* Whether it is still the one that was opened. */
bool eyes_alive(struct eyes_process *p);
int eyes_read_maps(struct eyes_process *p) __attribute__((warn_unused_result));
const struct eyes_map *eyes_map_of(const struct eyes_process *p, uint64_t at);
/* Where an exported object of the library that begins at `base` is, or 0. */
uint64_t eyes_symbol(struct eyes_process *p, uint64_t base, const char *name);
/* Nanoseconds of processor time of the thread that carries, 0 unknown. */
uint64_t eyes_carrier_cpu(const struct eyes_process *p);

/* registry.c */
/* NULL, or what is wrong with it, as a phrase. */
const char *eyes_check(const struct copatch_registry *reg);
/* -ENOMEM, or -EIO where the carrier cannot be read. */
int eyes_look(struct eyes_process *p, struct eyes_snapshot *s) __attribute__((warn_unused_result));
void eyes_forget(struct eyes_snapshot *s);
const struct eyes_co *eyes_find(const struct eyes_snapshot *s, int tid);

/* Sees where the running one is, if there is one, for frames_of. */
void eyes_stop_and_look(struct eyes_process *p, struct eyes_snapshot *s);

/* running.c */
/* Stops the carrier for an instant, and leaves p->live and what belongs to it. */
bool eyes_stop_carrier(struct eyes_process *p) __attribute__((warn_unused_result));

/* frames.c */
/* False: no frames and no names today; everything else goes on. */
bool frames_open(struct eyes_process *p);
void frames_close(void);
unsigned frames_of(struct eyes_process *p, const struct eyes_co *co, struct eyes_frame *frame,
		   unsigned room);
void frame_of_address(uint64_t at, struct eyes_frame *frame);

/* stubs.c */
/* Where a thread is in the program that stands at `ip`, in a stub or not. */
uint64_t stubs_original(struct eyes_process *p, uint64_t ip);

/* callsite.c */
/* The address that was called where a call returns to `back`; 0: it cannot be told. */
uint64_t callsite_target(struct eyes_process *p, uint64_t back);

/* descriptors.c */
/* "tcp 127.0.0.1:80, peer 127.0.0.1:4711", "/etc/motd"; the sockets are read once each. */
void descriptors_open(pid_t pid);
void descriptor_text(pid_t pid, int fd, char *text, size_t size);
void descriptors_close(void);

/* peers.c */
/* "fd 1 of 1041 (sleep)", "its own fd 5": who holds the other end; false: nobody that we see. */
bool peer_of_pipe(uint64_t inode, int fd, char *text, size_t size);
/* The same, and the socket at the other end; false: there is none, or it is not known. */
bool peer_of_unix(uint64_t inode, uint64_t *peer, char *text, size_t size);
void peers_open(pid_t pid);
void peers_close(void);

/* waits.c */
const char *eyes_call_name(int nr); /* NULL: none of ours */
const char *eyes_wait_name(enum eyes_wait wait);
/* What it waits for, in words for people. */
void eyes_wait_text(struct eyes_process *p, const struct eyes_snapshot *s, const struct eyes_co *co,
		    const struct eyes_frame *frame, unsigned frames, char *text, size_t size);
/* "condition variable", "semaphore", ... as the frames tell; NULL: they do not. */
const char *eyes_sync_name(const struct eyes_co *co, const struct eyes_frame *frame,
			   unsigned frames);

/* text.c */
/* Terminal and table: nothing but printable characters gets through. */
void text_clean(char *text);
void text_time(uint64_t ns, char *text, size_t size);
void text_size(uint64_t bytes, char *text, size_t size);
/* "read < handle < worker" */
void text_frames(const struct eyes_frame *frame, unsigned frames, char *text, size_t size);
void text_start(const struct eyes_co *co, int main_tid, char *text, size_t size);
extern const char *const eyes_states[];

/* ps.c, json.c, top.c */
int ps_main(struct eyes_process *p, bool json);
void json_print(struct eyes_process *p, const struct eyes_snapshot *s);
int top_main(struct eyes_process *p);

#endif
