/* SPDX-License-Identifier: MIT */
/* io_uring: submitting never waits, and a ring's descriptor is readable when it has completions. */
#include <linux/io_uring.h>
#include <poll.h>

#include "../scheduler/raw.h"
#include "io.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

#ifndef IORING_REGISTER_RING_FDS
#define IORING_REGISTER_RING_FDS 20
#endif
#ifndef IORING_ENTER_REGISTERED_RING
#define IORING_ENTER_REGISTERED_RING (1U << 4)
#endif

bool uring_used;

long sys_io_uring_setup(struct thread *th)
{
	uring_used = true;
	return sys_native(th);
}

static long take_timeout(struct thread *th)
{
	struct io_uring_getevents_arg arg;
	struct timespec ts;

	if (!(th->call.arg[3] & IORING_ENTER_EXT_ARG) || !th->call.arg[4] || th->call.timed)
		return 0;
	if (user_get(arg, th->call.arg[4]))
		return -EFAULT;
	if (!arg.ts)
		return 0;
	if (user_get(ts, arg.ts))
		return -EFAULT;
	call_timeout(th, time_to_ns(&ts));
	return 0;
}

long sys_io_uring_enter(struct thread *th)
{
	long flags = th->call.arg[3], least = th->call.arg[2], n;
	struct pollfd p = {call_fd(th), POLLIN, 0};

	uring_used = true; /* the ring may be another process's */
	if (th->call.job)
		return sys_by_helper(th, false);
	if (!(flags & IORING_ENTER_GETEVENTS) || !least || flags & IORING_ENTER_REGISTERED_RING)
		return sys_native(th);
	n = take_timeout(th);
	if (n)
		return n;
	/* The first time with what there is to submit; each time it moves completions along. */
	n = raw6(__NR_io_uring_enter, p.fd, th->call.begun ? 0 : th->call.arg[1], 0,
		 flags & ~(long)IORING_ENTER_EXT_ARG, 0, 0);
	if (n < 0)
		return io_result(th, n);
	th->call.done += (uint64_t)n;
	if (raw3(__NR_poll, &p, 1, 0) > 0) {
		if (least == 1 || th->call.timed)
			return (long)th->call.done;
		/* More than one: no event tells how many there are. */
		th->call.arg[1] = 0;
		return sys_by_helper(th, false);
	}
	if (th->co.woke & WAKE_TIMEOUT)
		return io_result(th, -ETIME);
	if (th->co.woke & WAKE_SIGNAL)
		return io_result(th, -ERESTARTNOHAND);
	th->call.begun = true;
	n = wait_fd(&th->co, p.fd, WAIT_READ);
	if (!n)
		n = call_wait_deadline(th);
	th->co.parked_by = PARK_FD;
	return n ? n : BLOCKED;
}

/* A registered ring is known to the registering kernel thread by a small number: ours to refuse. */
long sys_io_uring_register(struct thread *th)
{
	return th->call.arg[1] == IORING_REGISTER_RING_FDS ? -EINVAL : sys_native(th);
}
