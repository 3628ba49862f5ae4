/* SPDX-License-Identifier: MIT */
/* How sockets are made, connected, accepted and set up: no flag keeps these from waiting. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "io.h"
#include "sys.h"
#include "usercopy.h"

static bool timeouts; /* SO_RCVTIMEO or SO_SNDTIMEO was used, on whatever socket */

/* What a new socket of our own is like, without having to ask. */
static void born(int fd, bool nonblocking, bool tcp)
{
	fd_born(fd);
	if (!nonblocking)
		fd_set_known(fd, FD_BLOCKING);
	if (!timeouts) {
		fd_set_known(fd, FD_NO_RCVTIMEO);
		fd_set_known(fd, FD_NO_SNDTIMEO);
	}
	if (tcp)
		fd_set_tcp(fd);
}

/* The timeouts are those that the listener had when the peer came, whoever had set them. */
static void accepted(int fd, int listener, int flags)
{
	if (fd_private(listener))
		born(fd, flags & SOCK_NONBLOCK, fd_is_tcp(listener));
	else
		fd_born(fd);
}

/* The length of a TCP listener's queue: tcp_get_info in net/ipv4/tcp.c. -1: it is none. */
static long queue_length(int fd)
{
	struct tcp_info info;
	socklen_t len = offsetof(struct tcp_info, tcpi_unacked) + sizeof(info.tcpi_unacked);

	info.tcpi_state = 0;
	info.tcpi_unacked = 0;
	if (!fd_is_tcp(fd) || raw5(__NR_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &len) ||
	    info.tcpi_state != TCP_LISTEN)
		return -1;
	return info.tcpi_unacked;
}

/*
 * accept has no flag that keeps it from waiting. But connections leave the queue of a listener by
 * accept only, or all at once when it listens no more, and then no accept waits. So where only we
 * take them, of as many as were there once so many calls do not wait; and what has come since is
 * reported, or the queue is empty. Elsewhere poll says that there is a connection, and where
 * another process can take it away in between a helper makes the call.
 */
static bool would_wait(const struct thread *th, int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	long n;

	if (fd_alone(fd) && !uring_used) {
		if (fd_queued(fd))
			return false;
		if (socket_nothing_there(th))
			return true;
		n = queue_length(fd);
		if (n >= 0) {
			fd_set_queued(fd, (unsigned)n);
			fd_set_quiet(fd);
			return !n;
		}
	}
	return raw3(__NR_poll, &p, 1, 0) == 0;
}

static long accept_any(struct thread *th, int flags)
{
	int fd = call_fd(th);
	unsigned queued;
	long conn;

	if (th->call.job)
		goto helper;
	if (would_wait(th, fd))
		return socket_wait(th, WAIT_READ);
	if (!fd_private(fd) && !fd_nonblocking(fd) && co_alive() > 1)
		goto helper;
	conn = raw4(__NR_accept4, fd, th->call.arg[1], th->call.arg[2], flags);
	queued = fd_queued(fd);
	if (conn >= 0) {
		accepted((int)conn, fd, flags);
		fd_set_queued(fd, queued ? queued - 1 : 0);
		return conn;
	}
	/* Who knows whether it has left the queue. */
	fd_set_queued(fd, 0);
	fd_take_quiet(fd);
	return conn == -EAGAIN ? socket_wait(th, WAIT_READ) : conn;
helper:
	th->call.arg[0] = fd;
	conn = sys_by_helper(th, false);
	if (conn >= 0)
		accepted((int)conn, fd, flags);
	return conn;
}

long sys_accept(struct thread *th)
{
	return accept_any(th, 0);
}

long sys_accept4(struct thread *th)
{
	return accept_any(th, (int)th->call.arg[3]);
}

static void set_send_timeout(int fd, const struct timeval *tv)
{
	raw5(__NR_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, tv, sizeof(*tv));
}

/*
 * connect waits as long as SO_SNDTIMEO allows, and a negative one means not at all
 * (sock_set_timeout in net/core/sock.c). So the file's flags stay as they are, and the option is
 * back in place before anybody else can look at it.
 */
long sys_connect(struct thread *th)
{
	struct timeval own = {0, 0}, never = {-1, 0};
	socklen_t len = sizeof(own);
	int fd = call_fd(th);
	long err;

	if (th->call.job)
		return sys_by_helper(th, false);
	if (fd_kind(fd) != FD_SOCKET || (!th->call.begun && fd_nonblocking(fd)))
		return sys_native(th);
	if (!fd_known(fd, FD_NO_SNDTIMEO) &&
	    raw5(__NR_getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &own, &len))
		return sys_native(th);
	set_send_timeout(fd, &never);
	err = raw3(__NR_connect, fd, th->call.arg[1], th->call.arg[2]);
	/* A peer on this machine has answered while the call was on its way back. */
	if (err == -EINPROGRESS)
		err = raw3(__NR_connect, fd, th->call.arg[1], th->call.arg[2]);
	set_send_timeout(fd, &own);
	if (!err && !th->call.begun && fd_is_tcp(fd))
		fd_set_quiet(fd); /* what comes from now on is still to be reported */
	if (err == -EAGAIN) {
		/* AF_UNIX with a full backlog: no event tells when there is room. */
		th->call.arg[0] = fd;
		return sys_by_helper(th, false);
	}
	if (err != -EINPROGRESS && err != -EALREADY)
		return err;
	err = socket_wait(th, WAIT_WRITE);
	return err == -EAGAIN ? -EINPROGRESS : err;
}

static void nothing(struct coroutine *co)
{
	(void)co;
}

/* A close that waits, not one that resets the connection. */
static bool lingers(const struct thread *th)
{
	struct linger l;

	return user_get(l, th->call.arg[3]) || (l.l_onoff && l.l_linger);
}

/* The socket's own timeouts are remembered: see fd_known. */
long sys_setsockopt(struct thread *th)
{
	if (th->call.arg[1] == IPPROTO_TCP && th->call.arg[2] == TCP_ULP)
		fd_tcp_layered();
	if (th->call.arg[1] != SOL_SOCKET)
		return sys_native(th);
	switch (th->call.arg[2]) {
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		timeouts = true;
		fd_settings_changed();
		break;
	case SO_LINGER:
		if (lingers(th))
			fd_lingers();
		break;
	default:
		break;
	}
	return sys_native(th);
}

/* A unix socket that is shut down does not poll writable, though a waiting send ends. */
long sys_shutdown(struct thread *th)
{
	long err = sys_native(th);

	if (!err)
		fd_wake_waiters((int)th->call.arg[0], nothing);
	return err;
}

/* Its queue begins anew if it has listened before. */
long sys_listen(struct thread *th)
{
	fd_set_queued((int)th->call.arg[0], 0);
	return sys_native(th);
}

long sys_socket(struct thread *th)
{
	long fd = sys_native(th), domain = th->call.arg[0], type = th->call.arg[1];

	if (fd >= 0)
		born((int)fd, type & SOCK_NONBLOCK,
		     (domain == AF_INET || domain == AF_INET6) && (type & 0xf) == SOCK_STREAM &&
			     (!th->call.arg[2] || th->call.arg[2] == IPPROTO_TCP));
	return fd;
}

long sys_socketpair(struct thread *th)
{
	long err = sys_native(th);
	int fd[2];

	if (!err && !user_get(fd, th->call.arg[3]))
		fd_born_pair(fd[0], fd[1]);
	return err;
}
