/* SPDX-License-Identifier: MIT */
/* Whether the kernel has what the back door needs. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "launch.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef PR_SYS_DISPATCH_ON
#define PR_SYS_DISPATCH_ON 1
#endif

/* Arms with a selector that cannot be: changes nothing, and only a kernel that knows says EFAULT.
 */
static int dispatch_error(void)
{
	if (!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0UL, 0UL, -1UL))
		return 0;
	return errno == EFAULT ? 0 : errno;
}

bool kernel_usable(const char *program)
{
	int error = dispatch_error();

	if (error == EINVAL)
		say("this kernel has no Syscall User Dispatch (Linux 5.11 or newer with "
		    "CONFIG_GENERIC_ENTRY has); running %s without copatch: its threads stay "
		    "kernel threads",
		    program);
	else if (error)
		say("Syscall User Dispatch is refused here (%s; a seccomp filter or a sysctl?); "
		    "running %s without copatch: its threads stay kernel threads",
		    strerror(error), program);
	return !error;
}
