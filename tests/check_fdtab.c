/* SPDX-License-Identifier: MIT */
/* Unit tests: what is remembered of each descriptor. */
/* OBJS: shim/fdtab.o scheduler/slab.o scheduler/mem.o */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../shim/fdtab.h"
#include "unit.h"

static int pipes[2], sock[2];

static void setup(void)
{
	ck_assert_int_eq(fdtab_init(), 0);
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, sock), 0);
}

START_TEST(kinds)
{
	int tty = posix_openpt(O_RDWR | O_NOCTTY);

	ck_assert_int_eq(fd_kind(pipes[0]), FD_PIPE);
	ck_assert_int_eq(fd_kind(sock[0]), FD_SOCKET);
	ck_assert_int_eq(fd_kind(socket(AF_INET, SOCK_STREAM, 0)), FD_SOCKET);
	ck_assert_int_eq(fd_kind(eventfd(0, 0)), FD_STREAM);
	ck_assert_int_eq(fd_kind(open("/dev/null", O_RDWR)), FD_STREAM);
	ck_assert_int_eq(fd_kind(open("/", O_RDONLY)), FD_FILE);
	ck_assert_int_eq(fd_kind(open("/proc/self/exe", O_RDONLY)), FD_FILE);
	ck_assert_int_eq(fd_kind(memfd_create("x", 0)), FD_FILE);
	ck_assert_int_eq(fd_kind(-1), FD_NONE);
	ck_assert_int_eq(fd_kind(INT32_MIN), FD_NONE);
	ck_assert_int_eq(fd_kind(INT32_MAX), FD_NONE);
	ck_assert_int_eq(fd_kind(900), FD_NONE);
	if (tty >= 0) {
		int slave = open(ptsname(tty), O_RDWR | O_NOCTTY);

		ck_assert_int_eq(fd_kind(tty), FD_TTY); /* /dev/ptmx is 5:2 */
		if (!unlockpt(tty) && slave < 0)
			slave = open(ptsname(tty), O_RDWR | O_NOCTTY);
		if (slave >= 0)
			ck_assert_int_eq(fd_kind(slave), FD_TTY);
	}
}
END_TEST

/* A number is asked about once; one that is not open may be opened where nobody sees it. */
START_TEST(remembered)
{
	ck_assert_int_eq(fd_kind(900), FD_NONE);
	ck_assert_int_eq(dup2(pipes[0], 900), 900);
	ck_assert_int_eq(fd_kind(900), FD_PIPE);
	ck_assert_int_eq(dup2(sock[0], 900), 900);
	ck_assert_int_eq(fd_kind(900), FD_PIPE);
	fd_gone(900);
	ck_assert_int_eq(fd_kind(900), FD_SOCKET);
}
END_TEST

START_TEST(owned)
{
	ck_assert(!fd_private(pipes[0]));
	fd_born(pipes[0]);
	ck_assert(fd_private(pipes[0]));
	ck_assert(!fd_private(pipes[1]));
	fd_all_shared();
	ck_assert(!fd_private(pipes[0]));
	fd_born(pipes[1]);
	ck_assert(fd_private(pipes[1]));
	ck_assert(!fd_private(pipes[0]));
	fd_gone(pipes[1]);
	ck_assert(!fd_private(pipes[1]));
	ck_assert(!fd_private(-1));
	fd_born(-1);
	ck_assert(!fd_private(-1));
}
END_TEST

START_TEST(born_anew)
{
	fd_set_no_nowait(pipes[0]);
	fd_set_comm(pipes[0], 42);
	ck_assert_int_eq(fd_kind(pipes[0]), FD_PIPE);
	ck_assert_int_eq(dup2(sock[0], pipes[0]), pipes[0]);
	fd_born(pipes[0]);
	ck_assert(!fd_no_nowait(pipes[0]));
	ck_assert_int_eq(fd_comm(pipes[0]), 0);
	ck_assert_int_eq(fd_kind(pipes[0]), FD_SOCKET);
}
END_TEST

START_TEST(duplicated)
{
	int copy = dup(pipes[0]);

	fd_born(pipes[0]);
	fd_set_no_nowait(pipes[0]);
	fd_set_comm(pipes[0], 42);
	ck_assert_int_eq(fd_kind(pipes[0]), FD_PIPE);
	fd_duplicated(copy, pipes[0]);
	ck_assert(fd_private(copy));
	ck_assert(fd_no_nowait(copy));
	ck_assert_int_eq(fd_comm(copy), 42);
	ck_assert_int_eq(fd_kind(copy), FD_PIPE);
	fd_gone(pipes[0]);
	ck_assert(fd_no_nowait(copy));
	ck_assert(!fd_no_nowait(pipes[0]));
	/* To and from chunks of the table that were not there before. */
	fd_duplicated(500000, copy);
	ck_assert_int_eq(fd_comm(500000), 42);
	fd_duplicated(copy, 700000);
	ck_assert_int_eq(fd_comm(copy), 0);
	fd_duplicated(-1, 500000);
	fd_duplicated(copy, -1);
	ck_assert_int_eq(fd_comm(-1), 0);
	ck_assert_int_eq(fd_comm(copy), 0);
}
END_TEST

START_TEST(pairs)
{
	int copy = dup(pipes[1]);

	ck_assert_int_eq(fd_peer(pipes[1]), -1);
	fd_born_pair(pipes[0], pipes[1]);
	fd_born_pair(sock[0], sock[0]);
	ck_assert_int_eq(fd_peer(pipes[1]), pipes[0]);
	ck_assert_int_eq(fd_peer(pipes[0]), pipes[1]);
	ck_assert_int_eq(fd_peer(sock[0]), sock[0]);
	ck_assert(fd_private(pipes[0]) && fd_private(pipes[1]));
	fd_duplicated(copy, pipes[1]);
	ck_assert_int_eq(fd_peer(copy), pipes[0]);
	/* The number of the other end is another file's now. */
	fd_born_pair(pipes[0], sock[1]);
	ck_assert_int_eq(fd_peer(copy), -1);
	ck_assert_int_eq(fd_peer(sock[1]), pipes[0]);
	fd_gone(pipes[0]);
	ck_assert_int_eq(fd_peer(sock[1]), -1);
	ck_assert_int_eq(fd_peer(-1), -1);
}
END_TEST

START_TEST(alone)
{
	int copy = dup(pipes[0]);

	ck_assert(!fd_alone(pipes[0]));
	fd_born(pipes[0]);
	ck_assert(fd_alone(pipes[0]));
	fd_duplicated(copy, pipes[0]);
	ck_assert(!fd_alone(pipes[0]));
	ck_assert(!fd_alone(copy));
	fd_gone(pipes[0]);
	ck_assert(!fd_alone(copy));
	fd_born(pipes[0]);
	ck_assert(fd_alone(pipes[0]));
	fd_set_copied(pipes[0]);
	ck_assert(!fd_alone(pipes[0]));
}
END_TEST

START_TEST(tcp)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);

	ck_assert(fd_is_tcp(fd));
	ck_assert(!fd_is_tcp(udp));
	ck_assert(!fd_is_tcp(sock[0]));
	ck_assert(!fd_is_tcp(pipes[0]));
	ck_assert(!fd_is_tcp(-1));
	/* It is asked about once for each file. */
	ck_assert_int_eq(dup2(udp, fd), fd);
	ck_assert(fd_is_tcp(fd));
	fd_born(fd);
	ck_assert(!fd_is_tcp(fd));
	fd_set_tcp(fd);
	ck_assert(fd_is_tcp(fd));
	fd_tcp_layered();
	ck_assert(!fd_is_tcp(fd));
}
END_TEST

START_TEST(neighbours)
{
	for (int fd = 0; fd < 20000; fd += 7)
		fd_set_comm(fd, fd + 1);
	for (int fd = 0; fd < 20000; fd++)
		ck_assert_int_eq(fd_comm(fd), fd % 7 ? 0 : fd + 1);
	fd_set_comm((1 << 30) - 1, 5);
	ck_assert_int_eq(fd_comm((1 << 30) - 1), 5);
	fd_set_comm(1 << 30, 5); /* no such number: forgotten */
	ck_assert_int_eq(fd_comm(1 << 30), 0);
}
END_TEST

START_TEST(nonblocking)
{
	ck_assert(!fd_nonblocking(pipes[0]));
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	ck_assert(fd_nonblocking(pipes[0]));
	fcntl(pipes[0], F_SETFL, 0);
	ck_assert(!fd_nonblocking(pipes[0]));
	ck_assert(fd_nonblocking(900)); /* not open: nothing to wait for */
}
END_TEST

int main(void)
{
	TCase *tests = unit_begin("fdtab", 10, setup);

	tcase_add_test(tests, kinds);
	tcase_add_test(tests, remembered);
	tcase_add_test(tests, owned);
	tcase_add_test(tests, born_anew);
	tcase_add_test(tests, pairs);
	tcase_add_test(tests, duplicated);
	tcase_add_test(tests, alone);
	tcase_add_test(tests, tcp);
	tcase_add_test(tests, neighbours);
	tcase_add_test(tests, nonblocking);
	return unit_end();
}
