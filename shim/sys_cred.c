/* SPDX-License-Identifier: MIT */
/*
 * Credentials and namespaces, which belong to kernel threads. The carrier's are the program's;
 * helpers that were made before they changed make no more calls.
 */
#include "sys.h"

static long changed(long result)
{
	if (result >= 0)
		helper_renew();
	return result;
}

long sys_own_change(struct thread *th)
{
	return changed(sys_native(th));
}

#define CHANGES(name)                      \
	long sys_##name(struct thread *th) \
	{                                  \
		return sys_own_change(th); \
	}
CHANGES(setuid)
CHANGES(setgid)
CHANGES(setreuid)
CHANGES(setregid)
CHANGES(setresuid)
CHANGES(setresgid)
CHANGES(setfsuid)
CHANGES(setfsgid)
CHANGES(setgroups)
CHANGES(capset)
CHANGES(unshare)
CHANGES(setns)
CHANGES(landlock_restrict_self)
#undef CHANGES

/* A filter may end the process for a call of the watchdog's. */
long sys_seccomp(struct thread *th)
{
	sched_watch_end();
	return sys_own_change(th);
}
