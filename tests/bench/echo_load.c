/* SPDX-License-Identifier: MIT */
/*
 * The load: N connections to 127.0.0.1, each sending a message and waiting for the answer before
 * it sends the next. Every byte of every answer is compared; a wrong one ends the run.
 *
 * usage: echo_load -p PORT [-c CONNECTIONS] [-t SECONDS | -r REQUESTS] [-w WARM_UP_SECONDS]
 *                  [-s BYTES] [-q REQUEST -a ANSWER] [-i IDLE_CONNECTIONS] [-n] [-x TARGET_PORT]
 *                  [-P SERVER_PID]
 *
 *   -q -a  send REQUEST and expect ANSWER, instead of an echo of BYTES
 *   -i     connections which are opened, used once, and then left idle
 *   -n     a new connection for every request (closed by reset, so that no port stays in TIME_WAIT)
 *   -x     PORT is a SOCKS5 proxy; ask it for 127.0.0.1:TARGET_PORT first
 *   -P     report the CPU time which that process spent on each request
 */
#include "echo.h"
#include <sys/epoll.h>
#include <sys/time.h>

#define EVENTS      256
#define MAX_MESSAGE 65536
#define STALL_MS    30000
#define STEPS       32 /* histogram: steps in each power of two, so within 3 per cent */

struct connection {
	int fd;
	unsigned id, sequence;
	size_t got;
	uint64_t sent_at;
};

static int port, target_port, epoll_fd, fresh;
static size_t request_len = 64, answer_len;
static const char *request, *answer;
static uint64_t histogram[64 * STEPS], measured, answered;

static unsigned bucket(uint64_t ns)
{
	unsigned top = 63 - __builtin_clzll(ns | STEPS);

	return (top - 5) * STEPS + (ns >> (top - 5)); /* below 2 * STEPS: ns itself */
}

static double percentile(double p)
{
	uint64_t want = measured * p, seen = 0;

	for (unsigned i = 0; i < sizeof(histogram) / sizeof(*histogram); i++) {
		seen += histogram[i];
		if (seen > want)
			return i < 2 * STEPS
				       ? i
				       : (double)((uint64_t)(STEPS + i % STEPS) << (i / STEPS - 1));
	}
	return 0;
}

/* An echo carries who sent it and when, so that answers that went astray are noticed. */
static const char *message(struct connection *c, char *buffer, size_t *len)
{
	if (request) {
		*len = request_len;
		return request;
	}
	*len = request_len;
	memset(buffer, 'a' + c->sequence % 26, request_len);
	snprintf(buffer, request_len, "%08x%08x", c->id, c->sequence);
	return buffer;
}

static void send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("send", errno);
		data += n;
		len -= n;
	}
}

static void receive_all(int fd, char *data, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, data, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("recv", n ? errno : ECONNRESET);
		data += n;
		len -= n;
	}
}

static void ask_proxy(int fd)
{
	char ask[10] = {5, 1, 0, 1, 127, 0, 0, 1}, reply[10];

	send_all(fd, "\5\1", 3); /* version 5, one method, none */
	receive_all(fd, reply, 2);
	if (reply[0] != 5 || reply[1])
		die("the proxy's greeting", 0);
	ask[8] = target_port >> 8;
	ask[9] = target_port;
	send_all(fd, ask, sizeof(ask));
	receive_all(fd, reply, sizeof(reply));
	if (reply[1])
		die("the proxy's connection", 0);
}

static void open_connection(struct connection *c)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct timeval limit = {STALL_MS / 1000, 0};
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	c->got = 0;
	if (c->fd < 0)
		die("socket", errno);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	echo_nodelay(c->fd);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect", errno);
	if (target_port)
		ask_proxy(c->fd);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl", errno);
}

static void reset_connection(struct connection *c)
{
	struct linger now = {1, 0};

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
}

static void ask(struct connection *c)
{
	char buffer[MAX_MESSAGE];
	const char *data;
	size_t len;

	c->sent_at = now_ns();
	if (fresh)
		open_connection(c);
	c->sequence++;
	c->got = 0;
	data = message(c, buffer, &len);
	send_all(c->fd, data, len);
}

/* Returns 1 when the answer is complete. */
static int hear(struct connection *c)
{
	char buffer[MAX_MESSAGE], expected[MAX_MESSAGE];
	const char *right = answer;
	size_t len = answer_len;
	ssize_t n;

	n = recv(c->fd, buffer, len - c->got, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		die("recv", n ? errno : ECONNRESET);
	if (!right)
		right = message(c, expected, &len);
	if (memcmp(buffer, right + c->got, n))
		die("comparing an answer", 0);
	c->got += n;
	if (c->got < len)
		return 0;
	answered++;
	return 1;
}

/* Runs until the deadline, or until `limit` answers have come. */
static void run(uint64_t deadline, uint64_t limit, int measure)
{
	struct epoll_event event[EVENTS];
	uint64_t first = answered;

	for (;;) {
		int n = epoll_wait(epoll_fd, event, EVENTS, STALL_MS);
		uint64_t now = now_ns();

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("no answer for half a minute", n ? errno : 0);
		for (int i = 0; i < n; i++) {
			struct connection *c = event[i].data.ptr;

			if (!hear(c))
				continue;
			if (measure) {
				now = now_ns();
				histogram[bucket(now - c->sent_at)]++;
				measured++;
			}
			if (fresh)
				reset_connection(c);
			ask(c);
		}
		if (now >= deadline || answered - first >= limit)
			return;
	}
}

/* The CPU clock of another process: nanoseconds, with the threads that have ended. */
static uint64_t server_cpu(pid_t pid)
{
	clockid_t clock;

	if (!pid)
		return 0;
	if (clock_getcpuclockid(pid, &clock))
		die("the server has gone", 0);
	return clock_ns(clock);
}

int main(int argc, char **argv)
{
	long connections = 1, idle = 0, requests = 0;
	double seconds = 1, warm_up = 0.2;
	uint64_t begin, cpu, own;
	struct connection *c;
	pid_t pid = 0;
	int option;

	while ((option = getopt(argc, argv, "p:c:t:r:w:s:q:a:i:nx:P:")) != -1) {
		switch (option) {
		case 'p':
			port = atoi(optarg);
			break;
		case 'c':
			connections = atol(optarg);
			break;
		case 't':
			seconds = atof(optarg);
			break;
		case 'r':
			requests = atol(optarg);
			break;
		case 'w':
			warm_up = atof(optarg);
			break;
		case 's':
			request_len = atol(optarg);
			break;
		case 'q':
			request = optarg;
			break;
		case 'a':
			answer = optarg;
			break;
		case 'i':
			idle = atol(optarg);
			break;
		case 'n':
			fresh = 1;
			break;
		case 'x':
			target_port = atoi(optarg);
			break;
		case 'P':
			pid = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (request)
		request_len = strlen(request);
	answer_len = answer ? strlen(answer) : request_len;
	if (port < 1 || connections < 1 || idle < 0 || !request != !answer || request_len < 1 ||
	    request_len > MAX_MESSAGE || answer_len < 1 || answer_len > MAX_MESSAGE) {
		fprintf(stderr, "echo_load: see the head of echo_load.c for its options\n");
		return 2;
	}
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	c = calloc(connections + idle, sizeof(*c));
	if (epoll_fd < 0 || !c)
		die("epoll_create1", errno);

	/* Each connection asks once, alone: after that the server has seen it, whoever it is. */
	for (long i = 0; i < connections + idle && !fresh; i++) {
		c[i].id = i;
		open_connection(&c[i]);
	}
	for (long i = 0; i < connections + idle && !fresh; i++) {
		char buffer[MAX_MESSAGE];

		ask(&c[i]);
		receive_all(c[i].fd, buffer, answer_len);
	}
	for (long i = 0; i < connections; i++)
		ask(&c[i]);
	run(now_ns() + (uint64_t)(warm_up * 1e9), UINT64_MAX, 0);

	begin = now_ns();
	cpu = server_cpu(pid);
	own = cpu_ns();
	run(requests ? UINT64_MAX : begin + (uint64_t)(seconds * 1e9),
	    requests ? (uint64_t)requests : UINT64_MAX, 1);
	cpu = server_cpu(pid) - cpu;
	own = cpu_ns() - own;
	begin = now_ns() - begin;

	result("requests", answered);
	result("per_second", measured / (begin / 1e9));
	result("p50_us", percentile(0.50) / 1e3);
	result("p99_us", percentile(0.99) / 1e3);
	result("own_cpu_us", own / 1e3 / measured);
	if (pid)
		result("cpu_us", cpu / 1e3 / measured);
	return 0;
}
