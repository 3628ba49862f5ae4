/* SPDX-License-Identifier: MIT */
/*
 * What each system call means. A handler runs on the carrier's stack with general registers
 * only, uses no libc, and returns the result, -errno, a restart code or BLOCKED; see sched.h for
 * how it waits. It is called again from the top after each wait, with thread.call as it left it.
 */
#ifndef COPATCH_SYS_H
#define COPATCH_SYS_H

#include "thread.h"

struct sys {
	long (*fn)(struct thread *th); /* NULL: the kernel's, as it stands */
	bool restart; /* natively made again after a handler with SA_RESTART: signal(7) */
};

#define SYS_COUNT 512
extern const struct sys sys_table[SYS_COUNT];

/* dispatch.c: the doors' way in, and sched_hooks.front and .again. */
long sys_enter_front(struct coroutine *co);
long sys_enter_side(struct coroutine *co);
/* A private FUTEX_WAKE, from beginning to end: it neither waits nor is there much to note of it. */
void sys_wakes_side(struct coroutine *co);
long sys_enter_back(struct coroutine *co);
long sys_again(struct coroutine *co);
bool sys_finish(struct coroutine *co, long result);
/* The call as it stands, by the kernel, on the carrier. */
long sys_native(struct thread *th);
/*
 * Any call on behalf of this one, by a helper; see sched.h for `bounded`. BLOCKED until it has
 * ended, then its result, -EINTR and NOT_BEGUN as they are.
 */
long sys_job(struct thread *th, bool bounded, long nr, const long arg[6]);
/* The call as it stands, by a helper. */
long sys_by_helper(struct thread *th, bool bounded);

/* Handlers that serve several calls, each as it stands: */
/* sys_cred.c: helpers made before it are not used any more. */
long sys_own_change(struct thread *th);
/* sys_memory.c: what the kernel notes for mappings, which ours are shared by many stacks. */
long sys_changes_mapping(struct thread *th);
/* sys_file.c: by a helper; bounded: it ends by itself, only late. */
long sys_helper(struct thread *th);
long sys_helper_bounded(struct thread *th);
/* sys_file.c: of a file that is in memory these are over soon. */
long sys_by_disk(struct thread *th);

/* Keys of wait queues that are no address of the program's. */
#define WAIT_CHILD_KEY 1

/* sys_uring.c: there is, or was, a ring: the kernel may make calls that we do not see. */
extern bool uring_used;
/* sys_poll.c: is the call one that waits for a set of descriptors? */
bool sys_takes_fd_set(long nr);
/* sys_fd.c: closes a descriptor that was made for a call. */
void fd_close_own(int fd);
/* From now on some socket may have SO_LINGER. */
void fd_lingers(void);
/* sys_time.c: whom a POSIX timer notifies, NULL the process. */
struct thread *timer_thread(int timer);

#define SYS(name)     long sys_##name(struct thread *th);
#define RESTART(name) long sys_##name(struct thread *th);
#define SYS_AS(name, handler)
#define RESTART_AS(name, handler)
#include "sys_list.h"
#undef SYS
#undef RESTART
#undef SYS_AS
#undef RESTART_AS

/* sys_sched.c: as if it had at least this real-time priority; 0 ends it. */
void sched_boost(struct thread *of, int priority);
void sched_inherit(struct thread *child, const struct thread *parent);
/* What main, `th`, has by the kernel holds for us too. */
void sched_adopt(struct thread *th);
/* In a new process, which has the carrier's from the kernel, it is to be what `th` has. */
void sched_take_along(const struct thread *th);

/* sys_futex.c */
void futex_wake_address(uint64_t address, unsigned n);
/* FUTEX_WAKE on private memory, the call that is made most often. */
long futex_wake(uint64_t at, int n);
/* Makes the first in line the owner of a PI lock, if there is one; `flags` stay in its word. */
long futex_hand_over(uint64_t address, uint32_t flags);
/* What it owns with priority inheritance goes to those who wait for it. */
void futex_owner_ends(struct thread *th);
/* A process that shares our memory may wait for private futexes too, natively. */
extern bool futex_mirror;
/* futex_shared.c: words that other processes can see; a deadline is in the call. */
long futex_wait_shared(struct thread *th);
long futex_lock_pi_shared(struct thread *th, bool try);
long futex_unlock_pi_shared(struct thread *th);
/* A process that nobody has waited for yet has an id still, but no threads. */
bool process_gone(int pid);
/* sys_proc.c: the two kinds of clone that make a process. */
long proc_fork(struct thread *th, uint64_t flags, uint64_t stack, uint64_t parent_tid,
	       uint64_t child_tid, uint64_t tls);
long proc_vfork(struct thread *th, uint64_t flags, uint64_t stack, uint64_t parent_tid,
		uint64_t child_tid, uint64_t tls);

#endif
