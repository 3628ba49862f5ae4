/* SPDX-License-Identifier: MIT */
/*
 * Signals are virtual: masks, pending sets and actions are kept here for each thread, the kernel
 * thread's own mask is empty. signal.c chooses who gets a signal, sigreal.c takes them from the
 * kernel, sigframe.c makes and takes down what a handler of the program stands on.
 */
#ifndef COPATCH_SIGNALS_H
#define COPATCH_SIGNALS_H

#include "thread.h"

#define SA_RESTORER_FLAG 0x04000000UL /* SA_RESTORER, which libc keeps to itself */
#define SIGBIT(n)        (1UL << ((n)-1))
/* Raised by the processor for what the running text did. */
#define SIG_SYNCHRONOUS                                                                         \
	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGFPE) | SIGBIT(SIGTRAP) | \
	 SIGBIT(SIGSYS))
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31) /* linux/signal.h */
#endif
#define SIG_UNBLOCKABLE (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
#define SIG_IGNORED_BY_DEFAULT \
	(SIGBIT(SIGCHLD) | SIGBIT(SIGURG) | SIGBIT(SIGWINCH) | SIGBIT(SIGCONT))

/* The kernel's struct sigaction. */
struct kernel_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* What the program has set, by number. */
extern struct kernel_sigaction signal_action[65];
/* Pending for whichever thread does not block it. */
extern struct signal_queue process_pending;

/* signal.c */
int signal_init(void) __attribute__((warn_unused_result));
void signal_thread_init(struct thread *th, const struct thread *parent);
void signal_thread_exit(struct thread *th);
void signal_after_fork(struct thread *th);
/* `th` NULL: for the process. `forced`: a fault; it cannot be blocked or ignored. */
void signal_post(struct thread *th, const siginfo_t *info, bool forced);
/* Signals that `th` would get now: with a handler, or deadly. */
uint64_t signal_deliverable(const struct thread *th);
/* Takes one of `set` from the queues of `th`; its number, or 0. */
int signal_take(struct thread *th, uint64_t set, siginfo_t *info);
void signal_set_mask(struct thread *th, uint64_t mask);
/* The number of the next signal that `th` will get, 0 none. */
int signal_next(const struct thread *th);
/* Hands over what is deliverable: sched_hooks.before_run. */
void signal_deliver(struct coroutine *co);
bool signal_ignored(int sig);
/* Would the kernel refuse to queue one more? It counts none of those that we hold. */
bool signal_queue_full(int sig);
/* Drops every pending one. */
void signal_discard(int sig);
/*
 * What is pending for the thread and the process is put into the kernel's queues too, where exec
 * leaves it for the new program; and is taken out again where exec fails.
 */
void signal_before_exec(const struct thread *th);
void signal_exec_failed(const struct thread *th);
/* In the kernel's queue from now on, if somebody waits there and no thread wants it. */
void signal_hand_back(uint64_t set);

/* sigreal.c */
int sigreal_init(void) __attribute__((warn_unused_result));
/* sched_hooks.tick */
bool sigreal_tick(void *ucontext);
/* sched_hooks.attend: what the kernel has handed us is given to the threads. */
void sigreal_attend(void);
/* From now on these are ours to see, since some thread blocks or handles them. */
void sigreal_catch(uint64_t set);
/* The program has set a new action for `sig`. */
void sigreal_action(int sig);
/* The default action, by the kernel's own hand. Returns unless it ends the process. */
void sigreal_default(int sig);
/* Before and after exec and vfork: what the kernel hands on to the new program. */
void sigreal_before_exec(uint64_t mask);
void sigreal_after_exec(void);
void sigreal_signalfd(uint64_t set);
/* A timer is to send `sig`. */
void sigreal_timer(int sig);
/* Some thread wants these no more: those that nobody wants may stay in the kernel's queue. */
void sigreal_hold(uint64_t set);
void sigreal_take_back(uint64_t set);
uint64_t sigreal_pending(void);
bool sigreal_hand_back(const siginfo_t *info);
void sigreal_after_fork(void);
/* For SIGSYS that is none of the doors'. */
void sigreal_handler(int sig, siginfo_t *info, void *ucontext);
extern const char *text_begin, *text_end, *front_begin, *front_end;

/* sigframe.c */
/* Builds the frame of a handler and points the registers at it; -EFAULT: no stack. */
long sigframe_push(struct thread *th, int sig, const siginfo_t *info,
		   const struct kernel_sigaction *act, uint64_t oldmask);
/* rt_sigreturn: takes the topmost frame down. */
long sigframe_pop(struct thread *th);
/* Takes the current thread off at an arbitrary place of program text. */
void sigframe_save_interrupted(struct thread *th, const void *ucontext);
bool on_altstack(const struct thread *th, uint64_t sp);

#endif
