/* SPDX-License-Identifier: MIT */
/* Whether the kernel has what the back door needs. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif
#ifndef PR_SYS_DISPATCH_ON
#define PR_SYS_DISPATCH_ON 1
#endif

enum { LET_PASS, TRAP }; /* SYSCALL_DISPATCH_FILTER_... of <linux/prctl.h>, where it has them */

/* Arms with a selector that cannot be: changes nothing, and only a kernel that knows says EFAULT.
 */
int kernel_dispatch_error(void)
{
	if (!prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0UL, 0UL, -1UL))
		return 0;
	return errno == EFAULT ? 0 : errno;
}

bool kernel_usable(const char *program)
{
	int error = kernel_dispatch_error();

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

static volatile char selector;
static volatile sig_atomic_t trapped;

/* Its own sigreturn must not trap again. */
static void on_trap(int sig)
{
	(void)sig;
	selector = LET_PASS;
	trapped = 1;
}

bool kernel_dispatch_works(void)
{
	struct sigaction action = {.sa_handler = on_trap};
	int status;
	pid_t child = fork();

	if (child < 0)
		return false;
	if (!child) {
		if (sigaction(SIGSYS, &action, NULL) ||
		    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0UL, 0UL, &selector))
			_exit(1);
		selector = TRAP;
		syscall(SYS_getppid);
		selector = LET_PASS;
		_exit(!trapped);
	}
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}
