/* SPDX-License-Identifier: MIT */
/* SIGCHLD handlers see every child, and with SIGCHLD ignored a wait ends in ECHILD. */
#include "../helpers.h"

static volatile int reaped, last_pid, last_code, last_status;

static void handler(int signal T_UNUSED, siginfo_t *info, void *context T_UNUSED)
{
	int saved = errno;

	last_pid = info->si_pid;
	last_code = info->si_code;
	last_status = info->si_status;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		reaped++;
	errno = saved;
}

static void *forks(void *arg)
{
	pid_t pid = T_OK(fork());

	if (pid == 0) {
		t_nap((intptr_t)arg);
		_exit(12);
	}
	return (void *)(intptr_t)pid;
}

static void *forks_and_waits(void *arg T_UNUSED)
{
	int64_t start = t_now_ms();
	pid_t pid = (intptr_t)forks((void *)80);
	int result = waitpid(pid, NULL, 0);

	return (void *)(intptr_t)(result == -1 && errno == ECHILD && t_took(start, 80));
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	int64_t start = t_now_ms();
	int pid;

	T_OK(sigaction(SIGCHLD, &action, NULL));
	pid = (intptr_t)t_join(t_thread(forks, (void *)20));
	while (!reaped && t_now_ms() - start < 5000)
		t_nap(5);
	t_check("child and its status",
		last_pid == pid && last_code == CLD_EXITED && last_status == 12);
	for (intptr_t i = 0; i < 9; i++)
		t_join(t_thread(forks, (void *)(i % 3 * 10)));
	while (reaped < 10 && t_now_ms() - start < 5000)
		t_nap(5);
	t_say("reaped %d", reaped);

	signal(SIGCHLD, SIG_IGN);
	t_check("ignored, in a thread", t_join(t_thread(forks_and_waits, NULL)) != NULL);
	t_check("ignored, in main", forks_and_waits(NULL) != NULL);
	signal(SIGCHLD, SIG_DFL);
	pid = (intptr_t)forks(0);
	t_say("default again %d", t_reap(pid));
	return t_done();
}
