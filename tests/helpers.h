/* SPDX-License-Identifier: MIT */
/* What the test programs share: verdict lines, time with tolerance, threads, socket pairs. */
#ifndef T_HELPERS_H
#define T_HELPERS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define T_EXIT_PASS 0
#define T_EXIT_FAIL 1
#define T_EXIT_SKIP 77

/* Wide, since a loaded machine is late; a lost wake-up shows as a hang and not as a delay. */
#define T_SLACK_MS 800

#define T_UNUSED       __attribute__((unused))
#define T_COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int t_failures;

/* Flushed at once, so that a child made by fork does not print the line again. */
static inline void t_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static inline bool t_check(const char *what, bool good)
{
	int saved = errno;

	if (!good) {
		__atomic_add_fetch(&t_failures, 1, __ATOMIC_SEQ_CST);
		fprintf(stderr, "%s: errno was %d (%s)\n", what, saved, strerror(saved));
	}
	t_say("%s: %s", what, good ? "yes" : "NO");
	errno = saved;
	return good;
}

static inline int t_done(void)
{
	return __atomic_load_n(&t_failures, __ATOMIC_SEQ_CST) ? T_EXIT_FAIL : T_EXIT_PASS;
}

static inline void t_skip(const char *reason)
{
	t_say("%s", reason);
	exit(T_EXIT_SKIP);
}

__attribute__((noreturn)) static inline void t_die(const char *what, int line, int error)
{
	fprintf(stderr, "line %d: %s: %s\n", line, what, strerror(error));
	_exit(T_EXIT_FAIL);
}

/* T_OK is for calls that return -1 and set errno, T_ZERO for those that return the error. */
#define T_OK(call)                                     \
	__extension__({                                \
		__typeof__(call) t_result = (call);    \
		if (t_result == (__typeof__(call))-1)  \
			t_die(#call, __LINE__, errno); \
		t_result;                              \
	})
#define T_ZERO(call)                                     \
	do {                                             \
		int t_error = (call);                    \
		if (t_error)                             \
			t_die(#call, __LINE__, t_error); \
	} while (0)

static inline int64_t t_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * (int64_t)1000 + now.tv_nsec / 1000000;
}

/* How long the first thread has stood ready without a processor, as the kernel counts. */
static inline int64_t t_starved_ms(void)
{
	char text[64] = "";
	long long ran, starved = 0;
	int fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0 || sscanf(text, "%lld %lld", &ran, &starved) != 2)
		starved = 0;
	close(fd);
	return starved / 1000000;
}

/* One millisecond is allowed for the rounding of t_now_ms, and what others have kept from us. */
static inline bool t_took(int64_t since, int64_t ms)
{
	int64_t elapsed = t_now_ms() - since;
	bool good = elapsed >= ms - 1 &&
		    (elapsed <= ms + T_SLACK_MS || elapsed <= ms + T_SLACK_MS + t_starved_ms());

	if (!good)
		fprintf(stderr, "took %lld ms, expected %lld\n", (long long)elapsed, (long long)ms);
	return good;
}

static inline struct timespec t_timespec(int64_t ms)
{
	struct timespec ts;

	ts.tv_sec = ms / 1000;
	ts.tv_nsec = ms % 1000 * 1000000;
	return ts;
}

static inline struct timespec t_after(clockid_t clock, int64_t ms)
{
	struct timespec now;

	clock_gettime(clock, &now);
	now.tv_sec += ms / 1000;
	now.tv_nsec += ms % 1000 * 1000000;
	if (now.tv_nsec >= 1000000000) {
		now.tv_sec++;
		now.tv_nsec -= 1000000000;
	} else if (now.tv_nsec < 0) {
		now.tv_sec--;
		now.tv_nsec += 1000000000;
	}
	return now;
}

static inline void t_nap(int64_t ms)
{
	struct timespec until = t_after(CLOCK_MONOTONIC, ms);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/* Gives the other threads the time to reach the call in which they are to block. */
static inline void t_settle(void)
{
	t_nap(100);
}

static inline pthread_t t_thread(void *(*function)(void *), void *arg)
{
	pthread_t thread;

	T_ZERO(pthread_create(&thread, NULL, function, arg));
	return thread;
}

static inline void *t_join(pthread_t thread)
{
	void *result;

	T_ZERO(pthread_join(thread, &result));
	return result;
}

/* How often to do it: `usual` times in `make test`, more in `make test-long`. */
static inline int t_rounds(int usual)
{
	const char *text = getenv("T_ROUNDS");

	return text && atoi(text) > 0 ? atoi(text) : usual;
}

static inline pid_t t_gettid(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static inline bool t_write_all(int fd, const void *data, size_t size)
{
	const char *at = (const char *)data;

	while (size) {
		ssize_t n = write(fd, at, size);
		if (n <= 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}

static inline bool t_read_all(int fd, void *data, size_t size)
{
	char *at = (char *)data;

	while (size) {
		ssize_t n = read(fd, at, size);
		if (n <= 0)
			return false;
		at += n;
		size -= n;
	}
	return true;
}

static inline uint32_t t_checksum(uint32_t sum, const void *data, size_t size)
{
	const unsigned char *at = (const unsigned char *)data;

	while (size--)
		sum = (sum ^ *at++) * 16777619u;
	return sum;
}

/* A bound IPv4 loopback socket at a port that the kernel chose. */
static inline int t_bound(int type, struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = T_OK(socket(AF_INET, type, 0));

	memset(address, 0, sizeof(*address));
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	T_OK(bind(fd, (struct sockaddr *)address, size));
	T_OK(getsockname(fd, (struct sockaddr *)address, &size));
	return fd;
}

static inline int t_listener(struct sockaddr_in *address)
{
	int fd = t_bound(SOCK_STREAM, address);

	T_OK(listen(fd, 64));
	return fd;
}

static inline int t_connect(const struct sockaddr_in *address)
{
	int fd = T_OK(socket(AF_INET, SOCK_STREAM, 0));

	T_OK(connect(fd, (const struct sockaddr *)address, sizeof(*address)));
	return fd;
}

static inline void t_tcp_pair(int pair[2])
{
	struct sockaddr_in address;
	int listener = t_listener(&address);

	pair[0] = t_connect(&address);
	pair[1] = T_OK(accept(listener, NULL, NULL));
	close(listener);
}

static inline void t_udp_pair(int pair[2])
{
	struct sockaddr_in a, b;

	pair[0] = t_bound(SOCK_DGRAM, &a);
	pair[1] = t_bound(SOCK_DGRAM, &b);
	T_OK(connect(pair[0], (struct sockaddr *)&b, sizeof(b)));
	T_OK(connect(pair[1], (struct sockaddr *)&a, sizeof(a)));
}

static inline void t_handler(int signal, void (*function)(int), int flags)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = function;
	action.sa_flags = flags;
	T_OK(sigaction(signal, &action, NULL));
}

/* Waits for the child and says how it ended: its exit status, or 1000 plus the signal. */
static inline int t_reap(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif
