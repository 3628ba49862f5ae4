/* SPDX-License-Identifier: MIT */
/*
 * The front door: the libc functions that programs call most, under their own names. Each is what
 * libc's is, a cancellation point too where that is one, with our system call in the middle.
 *
 * This code counts as the program's: it lies in a section of its own, runs on the program's
 * stack, and may be interrupted, cancelled and unwound at any instruction.
 */
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "thread.h"

#define FRONT  __attribute__((section("front_text"), visibility("default")))
#define INLINE static inline __attribute__((always_inline))

bool front_open;

static long before_open(long nr, long a, long b, long c, long d, long e, long f)
{
	return raw6(nr, a, b, c, d, e, f);
}

/* A call that is no cancellation point. */
INLINE long enter(long nr, long a, long b, long c, long d, long e, long f)
{
	return front_open ? co_syscall(nr, a, b, c, d, e, f) : before_open(nr, a, b, c, d, e, f);
}

/* As libc up to 2.40 does it: while the call lasts, cancellation may come at any time. */
INLINE long enter_cancellable(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	int old;

	if (!front_open || this_carrier()->alive < 2)
		return enter(nr, a, b, c, d, e, f);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
	ret = co_syscall(nr, a, b, c, d, e, f);
	pthread_setcanceltype(old, NULL);
	return ret;
}

/*
 * What is sent hardly ever waits; and a call that does not wait is a cancellation point as it
 * begins, no longer. Where it would wait it comes back and is made as any other, from where it is.
 */
INLINE long enter_send(long a, long b, long c, long d, long e, long f)
{
	long ret, done = 0;

	if (front_open && this_carrier()->alive >= 2) {
		pthread_testcancel();
		ret = co_syscall(__NR_sendto | CALL_SOON, a, b, c, d, e, f);
		if (ret > CALL_WOULD_WAIT)
			return ret;
		done = CALL_WOULD_WAIT - ret;
	}
	return enter_cancellable(__NR_sendto | done << CALL_DONE_SHIFT, a, b, c, d, e, f);
}

INLINE long edge(long ret)
{
	if (!raw_failed(ret))
		return ret;
	errno = (int)-ret;
	return -1;
}

#define CALL(nr, a, b, c, d, e, f)                                                        \
	edge(enter_cancellable(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), \
			       (long)(f)))
#define CALL_PLAIN(nr, a, b, c, d, e, f) \
	edge(enter(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))

/*
 * Where another preloaded library defines the function too, it is handed on to that: what comes
 * out at its other end reaches us by the back door. The pointers are NULL where libc is next;
 * while nothing is patched they are libc's.
 */
#define FORWARD(name, ...)                             \
	do {                                           \
		if (next.name)                         \
			return next.name(__VA_ARGS__); \
	} while (0)

#define NEXT(name) __typeof__(name) *name;
static struct {
#include "interpose_list.h"
} next;
#undef NEXT

void front_resolve(bool (*is_libc)(const void *))
{
	void *sym;

#define NEXT(name)                     \
	sym = dlsym(RTLD_NEXT, #name); \
	if (sym && is_libc(sym))       \
		sym = NULL;            \
	memcpy(&next.name, &sym, sizeof(sym));
#include "interpose_list.h"
#undef NEXT
}

FRONT ssize_t read(int fd, void *buf, size_t n)
{
	FORWARD(read, fd, buf, n);
	return CALL(__NR_read, fd, buf, n, 0, 0, 0);
}

FRONT ssize_t write(int fd, const void *buf, size_t n)
{
	FORWARD(write, fd, buf, n);
	return CALL(__NR_write, fd, buf, n, 0, 0, 0);
}

FRONT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	FORWARD(readv, fd, iov, count);
	return CALL(__NR_readv, fd, iov, count, 0, 0, 0);
}

FRONT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	FORWARD(writev, fd, iov, count);
	return CALL(__NR_writev, fd, iov, count, 0, 0, 0);
}

FRONT ssize_t recv(int fd, void *buf, size_t n, int flags)
{
	FORWARD(recv, fd, buf, n, flags);
	return CALL(__NR_recvfrom, fd, buf, n, flags, 0, 0);
}

FRONT ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags,
		       struct sockaddr *restrict from, socklen_t *restrict len)
{
	FORWARD(recvfrom, fd, buf, n, flags, from, len);
	return CALL(__NR_recvfrom, fd, buf, n, flags, from, len);
}

FRONT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	FORWARD(recvmsg, fd, msg, flags);
	return CALL(__NR_recvmsg, fd, msg, flags, 0, 0, 0);
}

FRONT ssize_t send(int fd, const void *buf, size_t n, int flags)
{
	FORWARD(send, fd, buf, n, flags);
	return edge(enter_send(fd, (long)buf, (long)n, flags, 0, 0));
}

FRONT ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		     socklen_t len)
{
	FORWARD(sendto, fd, buf, n, flags, to, len);
	return edge(enter_send(fd, (long)buf, (long)n, flags, (long)to, len));
}

FRONT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	FORWARD(sendmsg, fd, msg, flags);
	return CALL(__NR_sendmsg, fd, msg, flags, 0, 0, 0);
}

FRONT int accept(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	FORWARD(accept, fd, addr, len);
	return (int)CALL(__NR_accept, fd, addr, len, 0, 0, 0);
}

FRONT int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags)
{
	FORWARD(accept4, fd, addr, len, flags);
	return (int)CALL(__NR_accept4, fd, addr, len, flags, 0, 0);
}

FRONT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	FORWARD(connect, fd, addr, len);
	return (int)CALL(__NR_connect, fd, addr, len, 0, 0, 0);
}

FRONT int close(int fd)
{
	FORWARD(close, fd);
	return (int)CALL(__NR_close, fd, 0, 0, 0, 0, 0);
}

FRONT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	FORWARD(poll, fds, n, timeout);
	return (int)CALL(__NR_poll, fds, n, timeout, 0, 0, 0);
}

/* The kernel writes what is left of the time; POSIX wants the caller's copy unchanged. */
FRONT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec ts;

	FORWARD(ppoll, fds, n, timeout, mask);
	if (timeout)
		ts = *timeout;
	return (int)CALL(__NR_ppoll, fds, n, timeout ? &ts : NULL, mask, 8, 0);
}

FRONT int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict x,
		 struct timeval *restrict timeout)
{
	FORWARD(select, n, r, w, x, timeout);
	return (int)CALL(__NR_select, n, r, w, x, timeout, 0);
}

FRONT int pselect(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict x,
		  const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
	struct {
		const sigset_t *mask;
		size_t size;
	} pair = {mask, 8};
	struct timespec ts;

	FORWARD(pselect, n, r, w, x, timeout, mask);
	if (timeout)
		ts = *timeout;
	return (int)CALL(__NR_pselect6, n, r, w, x, timeout ? &ts : NULL, &pair);
}

FRONT int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	FORWARD(epoll_wait, fd, events, max, timeout);
	return (int)CALL(__NR_epoll_wait, fd, events, max, timeout, 0, 0);
}

FRONT int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout,
		      const sigset_t *mask)
{
	FORWARD(epoll_pwait, fd, events, max, timeout, mask);
	return (int)CALL(__NR_epoll_pwait, fd, events, max, timeout, mask, 8);
}

FRONT int nanosleep(const struct timespec *request, struct timespec *left)
{
	FORWARD(nanosleep, request, left);
	return (int)CALL(__NR_nanosleep, request, left, 0, 0, 0, 0);
}

FRONT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
			  struct timespec *left)
{
	FORWARD(clock_nanosleep, clock, flags, request, left);
	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return EINVAL; /* as libc says, where the kernel says ENOTSUP */
	return (int)-enter_cancellable(__NR_clock_nanosleep, clock, flags, (long)request,
				       (long)left, 0, 0);
}

FRONT unsigned sleep(unsigned seconds)
{
	struct timespec ts = {seconds, 0};
	int saved = errno;

	FORWARD(sleep, seconds);
	if (CALL(__NR_nanosleep, &ts, &ts, 0, 0, 0, 0) < 0)
		return (unsigned)ts.tv_sec;
	errno = saved;
	return 0;
}

FRONT int usleep(useconds_t us)
{
	struct timespec ts = {us / 1000000, us % 1000000 * 1000L};

	FORWARD(usleep, us);
	return (int)CALL(__NR_nanosleep, &ts, NULL, 0, 0, 0, 0);
}

FRONT int sched_yield(void)
{
	FORWARD(sched_yield);
	return (int)CALL_PLAIN(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
}

FRONT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	FORWARD(wait4, pid, status, options, usage);
	return (pid_t)CALL(__NR_wait4, pid, status, options, usage, 0, 0);
}

FRONT pid_t waitpid(pid_t pid, int *status, int options)
{
	FORWARD(waitpid, pid, status, options);
	return (pid_t)CALL(__NR_wait4, pid, status, options, 0, 0, 0);
}

FRONT pid_t wait(int *status)
{
	FORWARD(wait, status);
	return (pid_t)CALL(__NR_wait4, -1, status, 0, 0, 0, 0);
}

/* What programs built with _FORTIFY_SOURCE call instead. */
extern _Noreturn void __chk_fail(void);

FRONT ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
	if (n > room)
		__chk_fail();
	return read(fd, buf, n);
}

FRONT ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
	if (n > room)
		__chk_fail();
	return recv(fd, buf, n, flags);
}

FRONT ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room, int flags,
			     struct sockaddr *restrict from, socklen_t *restrict len)
{
	if (n > room)
		__chk_fail();
	return recvfrom(fd, buf, n, flags, from, len);
}

FRONT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, timeout);
}

FRONT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		      const sigset_t *mask, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

/*
 * AddressSanitizer's library, where it is not part of the program, refuses to run behind another
 * one unless it is told that this is meant. It asks here before anything is set up.
 */
FRONT const char *__asan_default_options(void);
FRONT const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}
