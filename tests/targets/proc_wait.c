/* SPDX-License-Identifier: MIT */
/* wait4, waitid and waitpid in threads: by id, any, by group, without waiting, for stops. */
#include "../helpers.h"

#include <sys/resource.h>

static pid_t start(int status, int ms)
{
	pid_t pid = T_OK(fork());

	if (pid == 0) {
		t_nap(ms);
		_exit(status);
	}
	return pid;
}

static void *all(void *arg T_UNUSED)
{
	struct rusage usage;
	siginfo_t info;
	pid_t pid, other;
	int status;
	int64_t since;

	since = t_now_ms();
	pid = start(5, 80);
	t_say("WNOHANG: %d", waitpid(pid, &status, WNOHANG));
	t_check("wait4", wait4(pid, &status, 0, &usage) == pid && WEXITSTATUS(status) == 5);
	t_check("after 80 ms", t_took(since, 80));
	t_check("usage is filled", usage.ru_maxrss > 0);

	pid = start(6, 40);
	t_check("waitid, left waitable", waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0 &&
						 info.si_pid == pid && info.si_status == 6 &&
						 info.si_code == CLD_EXITED);
	t_check("waitid", waitid(P_PID, pid, &info, WEXITED) == 0 && info.si_pid == pid);
	t_check("gone", waitpid(pid, &status, 0) == -1 && errno == ECHILD);

	pid = start(1, 30);
	other = start(2, 400);
	t_check("any: first", waitpid(-1, &status, 0) == pid);
	t_check("any: second", wait(&status) == other);
	t_check("any: none", wait(&status) == -1 && errno == ECHILD);

	pid = start(3, 60);
	T_OK(setpgid(pid, pid));
	other = start(4, 10);
	t_check("own group", waitpid(0, &status, 0) == other);
	t_check("other group", waitpid(-pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
	info.si_pid = 7;
	pid = start(3, 60);
	t_check("waitid WNOHANG",
		waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);

	T_OK(kill(pid, SIGSTOP));
	t_check("stopped", waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	T_OK(kill(pid, SIGCONT));
	t_check("continued", waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	T_OK(kill(pid, SIGKILL));
	t_check("killed", waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	t_check("bad options", waitpid(-1, &status, 0x100) == -1 && errno == EINVAL);
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
