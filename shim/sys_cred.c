/* SPDX-License-Identifier: MIT */
/*
 * Credentials and namespaces, which belong to kernel threads. The carrier's are the program's;
 * helpers that were made before they changed make no more calls.
 */
#include "sys.h"

long sys_own_change(struct thread *th)
{
	long result = sys_native(th);

	if (result >= 0)
		helper_renew();
	return result;
}

/* A filter may end the process for a call of the watchdog's. */
long sys_seccomp(struct thread *th)
{
	sched_watch_end();
	return sys_own_change(th);
}
