/* SPDX-License-Identifier: MIT */
/* What goes over sockets: every call has a flag that keeps it from waiting. */
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "io.h"
#include "signals.h"
#include "sys.h"
#include "usercopy.h"

long socket_wait(struct thread *th, short events)
{
	int option = events & WAIT_READ ? SO_RCVTIMEO : SO_SNDTIMEO;
	enum fd_fact none = events & WAIT_READ ? FD_NO_RCVTIMEO : FD_NO_SNDTIMEO;
	struct timeval tv = {0, 0};
	socklen_t len = sizeof(tv);

	if (th->call.begun || fd_known(call_fd(th), none) ||
	    raw5(__NR_getsockopt, call_fd(th), SOL_SOCKET, option, &tv, &len))
		return io_wait(th, events);
	if (tv.tv_sec || tv.tv_usec)
		call_timeout(th, (uint64_t)tv.tv_sec * 1000000000 + (uint64_t)tv.tv_usec * 1000);
	else
		fd_set_known(call_fd(th), none);
	return io_wait(th, events);
}

/*
 * A short read has emptied a TCP socket. Not so with messages, and not with unix sockets, where
 * descriptors on their way divide the stream.
 */
static inline void note_drained(int fd, long n, uint64_t asked)
{
	if (n > 0 && (uint64_t)n < asked && fd_is_tcp(fd))
		fd_set_quiet(fd);
}

/* The signal is the calling thread's, and comes whether or not the kernel would raise it. */
static long broken_pipe(struct thread *th, long result, int flags)
{
	if (result == -EPIPE && !(flags & MSG_NOSIGNAL)) {
		siginfo_t info = {.si_signo = SIGPIPE, .si_code = SI_USER};

		info.si_pid = process_id;
		info.si_uid = (uid_t)raw0(__NR_getuid);
		/* Natively it would be dead by now. */
		if (signal_action[SIGPIPE].handler == (uint64_t)SIG_DFL)
			sigreal_catch(SIGBIT(SIGPIPE));
		signal_post(th, &info, false);
	}
	return result;
}

long socket_broken(struct thread *th)
{
	return broken_pipe(th, -EPIPE, 0);
}

/* Does this message wait until all that was asked for is there? */
static bool waits_for_all(const struct thread *th, int flags)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return (flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL && !(flags & MSG_DONTWAIT) &&
	       !raw5(__NR_getsockopt, call_fd(th), SOL_SOCKET, SO_TYPE, &type, &len) &&
	       type == SOCK_STREAM;
}

/*
 * An error that is waiting in the socket is taken by the call that meets it. One that has moved
 * data already must leave it for the next.
 */
static inline bool error_waits(const struct thread *th)
{
	struct pollfd p = {call_fd(th), 0, 0};

	return th->call.done && raw3(__NR_poll, &p, 1, 0) == 1 && p.revents & POLLERR;
}

/* When the time is up the kernel does not look once more whether there is room. */
static bool send_timed_out(const struct thread *th)
{
	return th->co.woke == WAKE_TIMEOUT;
}

/* One try after another until everything is there, the peer is done, or something ends it. */
static long receive(struct thread *th, const struct msghdr *user, int flags)
{
	struct iovec iov[IOV_MAX];
	struct msghdr msg = *user;
	uint64_t from = (uint64_t)msg.msg_iov, count = msg.msg_iovlen;
	bool all = waits_for_all(th, flags);
	long n, left;

	if (!all) {
		n = raw3(__NR_recvmsg, call_fd(th), &msg, flags | MSG_DONTWAIT);
		return n == -EAGAIN && !(flags & MSG_DONTWAIT) ? socket_wait(th, WAIT_READ) : n;
	}
	for (;;) {
		left = io_vector(th, iov, from, count);
		if (left < 0)
			return left;
		if (!io_length(iov, left))
			return (long)th->call.done;
		msg.msg_iov = iov;
		msg.msg_iovlen = (size_t)left;
		if (error_waits(th))
			return (long)th->call.done;
		n = raw3(__NR_recvmsg, call_fd(th), &msg, flags | MSG_DONTWAIT);
		if (n == -EAGAIN)
			return socket_wait(th, WAIT_READ);
		if (n <= 0)
			return io_result(th, n);
		th->call.done += (uint64_t)n;
	}
}

long socket_read(struct thread *th, uint64_t iov, uint64_t count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
	long n;

	if (socket_nothing_there(th))
		return io_park(th, WAIT_READ);
	n = raw3(__NR_recvmsg, call_fd(th), &msg, MSG_DONTWAIT);
	if (count == 1 && th->call.nr == __NR_read)
		note_drained(call_fd(th), n, (uint64_t)th->call.arg[2]);
	/* recvmsg has its own number for a vector that is too long. */
	if (n == -EMSGSIZE && count > IOV_MAX)
		return -EINVAL;
	return n == -EAGAIN ? socket_wait(th, WAIT_READ) : n;
}

/* With an address to fill in there is nothing to put together from parts. */
static long receive_all(struct thread *th, int flags)
{
	struct iovec iov = {(void *)th->call.arg[1], (size_t)th->call.arg[2]};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return receive(th, &msg, flags);
}

long sys_recvfrom(struct thread *th)
{
	int flags = (int)th->call.arg[3], fd = call_fd(th);
	long n;

	if (flags & MSG_WAITALL && !th->call.arg[4])
		return receive_all(th, flags);
	if (!flags && socket_nothing_there(th))
		return io_park(th, WAIT_READ);
	fd_fetch(fd); /* for note_drained, while the kernel copies */
	fetch_line(fd_entry(fd));
	n = raw6(__NR_recvfrom, fd, th->call.arg[1], th->call.arg[2], flags | MSG_DONTWAIT,
		 th->call.arg[4], th->call.arg[5]);
	if (!flags)
		note_drained(fd, n, (uint64_t)th->call.arg[2]);
	return n == -EAGAIN && !(flags & MSG_DONTWAIT) ? socket_wait(th, WAIT_READ) : n;
}

long sys_recvmsg(struct thread *th)
{
	int flags = (int)th->call.arg[2];
	struct msghdr msg;
	long n;

	if (flags & MSG_WAITALL && !(flags & MSG_DONTWAIT)) {
		if (user_get(msg, th->call.arg[1]))
			return -EFAULT;
		if (!msg.msg_name && !msg.msg_control)
			return receive(th, &msg, flags);
	}
	n = raw3(__NR_recvmsg, call_fd(th), th->call.arg[1], flags | MSG_DONTWAIT);
	return n == -EAGAIN && !(flags & MSG_DONTWAIT) ? socket_wait(th, WAIT_READ) : n;
}

/* recvmmsg(2), BUGS: the timeout is looked at only after each message. */
long sys_recvmmsg(struct thread *th)
{
	uint64_t count = (uint64_t)(uint32_t)th->call.arg[2];
	int flags = (int)th->call.arg[3];
	struct timespec ts;
	long n;

	if (th->call.arg[4] && !th->call.begun && !th->call.done) {
		if (user_get(ts, th->call.arg[4]))
			return -EFAULT;
		if (ts.tv_sec < 0 || (unsigned long)ts.tv_nsec >= 1000000000)
			return -EINVAL;
		if (!th->call.kind) {
			th->call.kind = 1;
			th->call.mask = time_now(CLOCK_MONOTONIC) + time_to_ns(&ts);
		}
	}
	for (;;) {
		n = raw5(__NR_recvmmsg, call_fd(th),
			 th->call.arg[1] + (long)(th->call.done * sizeof(struct mmsghdr)),
			 count - th->call.done, flags | MSG_DONTWAIT, 0);
		if (n == -EAGAIN)
			return flags & MSG_DONTWAIT ? io_result(th, n) : socket_wait(th, WAIT_READ);
		if (n <= 0)
			return io_result(th, n);
		th->call.done += (uint64_t)n;
		if (th->call.done == count || flags & (MSG_WAITFORONE | MSG_DONTWAIT))
			return (long)th->call.done;
		if (th->call.kind && time_now(CLOCK_MONOTONIC) >= th->call.mask)
			return (long)th->call.done;
	}
}

/* A blocking send on a stream goes on until all is sent. */
static long transmit(struct thread *th, const struct msghdr *user, int flags)
{
	struct iovec iov[IOV_MAX];
	struct msghdr msg = *user;
	uint64_t from = (uint64_t)msg.msg_iov, count = msg.msg_iovlen;
	long left, n;

	if (send_timed_out(th))
		return socket_wait(th, WAIT_WRITE);
	for (;;) {
		left = io_vector(th, iov, from, count);
		if (left < 0)
			return left == -EINVAL ? -EMSGSIZE : left;
		if (th->call.done) {
			if (!io_length(iov, left) || error_waits(th))
				return (long)th->call.done;
			msg.msg_control = NULL; /* it went with the first part */
			msg.msg_controllen = 0;
		}
		msg.msg_iov = iov;
		msg.msg_iovlen = (size_t)left;
		n = raw3(__NR_sendmsg, call_fd(th), &msg, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -EAGAIN && !(flags & MSG_DONTWAIT))
			return socket_wait(th, WAIT_WRITE);
		if (n < 0)
			return th->call.done ? (long)th->call.done : broken_pipe(th, n, flags);
		th->call.done += (uint64_t)n;
		io_written(call_fd(th));
		if (!n || flags & MSG_DONTWAIT)
			return (long)th->call.done;
	}
}

long socket_write(struct thread *th, uint64_t iov, uint64_t count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};
	long n = transmit(th, &msg, 0);

	return n == -EMSGSIZE && count > IOV_MAX ? -EINVAL : n;
}

/* What is left of it, after a try said `n`. */
static __attribute__((noinline)) long send_on(struct thread *th, long n)
{
	uint64_t done = th->call.done, len = (uint64_t)th->call.arg[2];
	int flags = (int)th->call.arg[3], fd = call_fd(th);

	for (;;) {
		if (n == -EAGAIN && !(flags & MSG_DONTWAIT))
			return th->call.soon && !fd_nonblocking(fd) ? CALL_WOULD_WAIT - (long)done
								    : socket_wait(th, WAIT_WRITE);
		if (n < 0)
			return done ? (long)done : broken_pipe(th, n, flags);
		th->call.done = done += (uint64_t)n;
		io_written(fd);
		if (done >= len || !n || flags & MSG_DONTWAIT || error_waits(th))
			return (long)done;
		n = raw6(__NR_sendto, fd, th->call.arg[1] + (long)done, (long)(len - done),
			 flags | MSG_DONTWAIT | MSG_NOSIGNAL, th->call.arg[4], th->call.arg[5]);
	}
}

long sys_sendto(struct thread *th)
{
	long done = (long)th->call.done, len = th->call.arg[2] - done, n;
	int fd = call_fd(th);

	if (send_timed_out(th))
		return socket_wait(th, WAIT_WRITE);
	if (error_waits(th))
		return done;
	n = raw6(__NR_sendto, fd, th->call.arg[1] + done, len,
		 (int)th->call.arg[3] | MSG_DONTWAIT | MSG_NOSIGNAL, th->call.arg[4],
		 th->call.arg[5]);
	if (n != len || n < 0)
		return send_on(th, n);
	io_written(fd);
	return done + n;
}

/* Somebody else may take part in our files from now on. */
static void note_rights(const struct msghdr *msg)
{
	struct cmsghdr c;

	if (msg->msg_controllen >= sizeof(c) && !user_get(c, msg->msg_control) &&
	    c.cmsg_level == SOL_SOCKET && c.cmsg_type == SCM_RIGHTS)
		fd_all_shared();
}

long sys_sendmsg(struct thread *th)
{
	struct msghdr msg;

	if (user_get(msg, th->call.arg[1]))
		return -EFAULT;
	note_rights(&msg);
	return transmit(th, &msg, (int)th->call.arg[2]);
}

long sys_sendmmsg(struct thread *th)
{
	uint64_t count = (uint64_t)(uint32_t)th->call.arg[2];
	int flags = (int)th->call.arg[3];
	long n;

	if (count > IOV_MAX)
		count = IOV_MAX; /* as the kernel */
	if (send_timed_out(th))
		return socket_wait(th, WAIT_WRITE);
	while (th->call.done < count) {
		n = raw4(__NR_sendmmsg, call_fd(th),
			 th->call.arg[1] + (long)(th->call.done * sizeof(struct mmsghdr)),
			 count - th->call.done, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -EAGAIN && !(flags & MSG_DONTWAIT))
			return socket_wait(th, WAIT_WRITE);
		if (n <= 0)
			return th->call.done ? (long)th->call.done : broken_pipe(th, n, flags);
		th->call.done += (uint64_t)n;
	}
	return (long)th->call.done;
}
