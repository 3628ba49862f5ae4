/* SPDX-License-Identifier: MIT */
/* Pipes and event counters, made: who is at the other end is known from then on. */
#include "fdtab.h"
#include "sys.h"
#include "usercopy.h"

long sys_pipe(struct thread *th)
{
	long err = sys_native(th);
	int fd[2];

	if (!err && !user_get(fd, th->call.arg[0]))
		fd_born_pair(fd[0], fd[1]);
	return err;
}

long sys_eventfd(struct thread *th)
{
	long fd = sys_native(th);

	if (fd >= 0)
		fd_born_pair((int)fd, (int)fd);
	return fd;
}
