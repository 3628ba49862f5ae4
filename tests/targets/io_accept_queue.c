/* SPDX-License-Identifier: MIT */
/*
 * Connections wait in a listener's queue, and something else than the next accept takes them: the
 * accept after that waits, and the thread that it waits for goes on.
 */
#include "../helpers.h"

#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/resource.h>

static struct sockaddr_in address;
static int listener, kept[16], kept_count;

static void begin(int connections)
{
	listener = t_listener(&address);
	for (int i = 0; i < connections; i++)
		kept[kept_count++] = t_connect(&address);
}

static void take(int fd, int connections)
{
	for (int i = 0; i < connections; i++)
		close(T_OK(accept(fd, NULL, NULL)));
}

static void *connects(void *arg)
{
	t_nap(30);
	return (void *)(intptr_t)(arg ? t_connect(arg) : -1);
}

/* Nobody is in the queue: accept lets others run until somebody is. */
static void waits(const char *what, int fd)
{
	int64_t start = t_now_ms();
	pthread_t thread = t_thread(connects, &address);

	take(fd, 1);
	t_check(what, t_now_ms() - start >= 25);
	close((int)(intptr_t)t_join(thread));
}

static void end(void)
{
	close(listener);
	while (kept_count)
		close(kept[--kept_count]);
}

static void another_number(void)
{
	int copy;

	begin(4);
	take(listener, 1);
	copy = T_OK(dup(listener));
	take(copy, 1);
	take(listener, 1);
	take(copy, 1);
	waits("a duplicate", listener);
	waits("the duplicate itself", copy);
	close(copy);
	waits("closed again", listener);
	end();
}

static void another_process(void)
{
	pid_t child;

	begin(3);
	take(listener, 1);
	child = T_OK(fork());
	if (!child) {
		take(listener, 2);
		_exit(0);
	}
	t_reap(child);
	waits("a child", listener);
	end();
}

static void passed_on(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int pair[2];
	pid_t child;

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	child = T_OK(fork());
	if (!child) {
		T_OK(recvmsg(pair[1], &msg, 0));
		take(*(int *)CMSG_DATA(&control.head), 2);
		_exit(0);
	}
	begin(3);
	take(listener, 1);
	*(int *)CMSG_DATA(&control.head) = listener;
	T_OK(sendmsg(pair[0], &msg, 0));
	t_reap(child);
	waits("who was sent the listener", listener);
	close(pair[0]);
	close(pair[1]);
	end();
}

static void listen_again(bool disconnect)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	socklen_t size = sizeof(address);

	begin(3);
	take(listener, 1);
	if (disconnect)
		T_OK(connect(listener, &none, sizeof(none)));
	else
		T_OK(shutdown(listener, SHUT_RD));
	if (disconnect)
		t_check("no listener", accept(listener, NULL, NULL) == -1 && errno == EINVAL);
	T_OK(listen(listener, 8));
	T_OK(getsockname(listener, (struct sockaddr *)&address, &size));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	waits(disconnect ? "disconnect" : "shutdown", listener);
	end();
}

static void another_listener(void)
{
	int old, next;

	begin(3);
	take(listener, 1);
	old = listener;
	close(listener);
	listener = t_listener(&address);
	t_check("the same number", listener == old);
	waits("close", listener);
	kept[kept_count++] = t_connect(&address);
	kept[kept_count++] = t_connect(&address);
	take(listener, 1);
	next = t_listener(&address);
	T_OK(dup2(next, listener));
	waits("dup2", listener);
	close(next);
	end();
}

static void errors(void)
{
	struct timeval limit = {0, 50000}, none = {0, 0};
	struct rlimit all, few;
	socklen_t size = 16;
	int64_t start;

	begin(3);
	take(listener, 1);
	t_check("EFAULT", accept(listener, (struct sockaddr *)1, &size) == -1 && errno == EFAULT);
	take(listener, 1);
	waits("EFAULT takes one", listener);

	kept[kept_count++] = t_connect(&address);
	kept[kept_count++] = t_connect(&address);
	take(listener, 1);
	T_OK(getrlimit(RLIMIT_NOFILE, &all));
	few = (struct rlimit){3, all.rlim_max};
	T_OK(setrlimit(RLIMIT_NOFILE, &few));
	t_check("EMFILE", accept(listener, NULL, NULL) == -1 && errno == EMFILE);
	t_check("EMFILE again", accept(listener, NULL, NULL) == -1 && errno == EMFILE);
	T_OK(setrlimit(RLIMIT_NOFILE, &all));
	take(listener, 1);
	waits("EMFILE takes none", listener);

	kept[kept_count++] = t_connect(&address);
	take(listener, 1);
	T_OK(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	start = t_now_ms();
	t_check("SO_RCVTIMEO", accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
	t_check("after 50 ms", t_took(start, 50));
	T_OK(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)));

	kept[kept_count++] = t_connect(&address);
	kept[kept_count++] = t_connect(&address);
	take(listener, 1);
	T_OK(fcntl(listener, F_SETFL, O_NONBLOCK));
	take(listener, 1);
	t_check("O_NONBLOCK", accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
	T_OK(fcntl(listener, F_SETFL, 0));
	waits("O_NONBLOCK is off", listener);
	end();
}

/* What liburing does, for two calls. False: there is no io_uring. */
static bool ring_accepts(int fd)
{
	struct io_uring_params p = {0};
	int ring = (int)syscall(SYS_io_uring_setup, 2, &p);
	struct io_uring_sqe *sqe;
	unsigned *sq;

	if (ring < 0)
		return false;
	sq = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(*sq), PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED)
		t_die("mmap", __LINE__, errno);
	for (unsigned i = 0; i < 2; i++) {
		sqe[i] = (struct io_uring_sqe){.opcode = IORING_OP_ACCEPT, .fd = fd};
		sq[p.sq_off.array / sizeof(*sq) + i] = i;
	}
	__atomic_store_n(&sq[p.sq_off.tail / sizeof(*sq)], 2, __ATOMIC_RELEASE);
	T_OK(syscall(SYS_io_uring_enter, ring, 2, 2, IORING_ENTER_GETEVENTS, NULL, 0));
	close(ring);
	return true;
}

static void by_ring(void)
{
	begin(3);
	take(listener, 1);
	if (!ring_accepts(listener))
		take(listener, 2);
	waits("io_uring", listener);
	end();
}

static void *all(void *arg T_UNUSED)
{
	begin(3);
	take(listener, 3);
	waits("none left", listener);
	waits("none left again", listener);
	end();
	another_number();
	passed_on();
	another_process();
	listen_again(false);
	listen_again(true);
	another_listener();
	errors();
	by_ring();
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
