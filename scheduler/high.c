/* SPDX-License-Identifier: MIT */
/* Our own descriptors go out of the program's way, to high numbers. */
#include <fcntl.h>
#include <sys/resource.h>

#include "carrier.h"
#include "raw.h"

/*
 * Behind what a program opens first, and not so high that libev's table, which has a place for
 * each number below, takes megabytes.
 */
#define HIGH 900

long fd_copy_high(int fd)
{
	struct rlimit lim = {HIGH, HIGH};

	raw2(__NR_getrlimit, RLIMIT_NOFILE, &lim);
	return raw3(__NR_fcntl, fd, F_DUPFD_CLOEXEC,
		    lim.rlim_cur / 2 < HIGH ? lim.rlim_cur / 2 : HIGH);
}

int fd_move_high(int fd)
{
	long high;

	if (fd < 0)
		return fd;
	high = fd_copy_high(fd);
	if (raw_failed(high))
		return fd;
	raw1(__NR_close, fd);
	return (int)high;
}
