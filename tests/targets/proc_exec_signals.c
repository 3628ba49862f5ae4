/* SPDX-License-Identifier: MIT */
/* What of signals passes through exec, by main and by another thread. */
#include "../helpers.h"

static void on_signal(int sig T_UNUSED)
{
}

static const int watched[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGCHLD, 60};

/* The new program. */
static int report(void)
{
	sigset_t mask, pending;

	T_OK(sigprocmask(SIG_BLOCK, NULL, &mask));
	T_OK(sigpending(&pending));
	for (size_t i = 0; i < T_COUNT(watched); i++) {
		struct sigaction action;

		T_OK(sigaction(watched[i], NULL, &action));
		t_say("signal %zu: %s, blocked %d, pending %d", i,
		      action.sa_handler == SIG_DFL   ? "default"
		      : action.sa_handler == SIG_IGN ? "ignored"
						     : "caught",
		      sigismember(&mask, watched[i]), sigismember(&pending, watched[i]));
	}
	return t_done();
}

static void *execs(void *path)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, 60);
	T_ZERO(pthread_sigmask(SIG_SETMASK, &set, NULL));
	kill(getpid(), SIGUSR2);
	pthread_kill(pthread_self(), 60);
	execl(path, "proc_exec_signals", "report", NULL);
	return NULL;
}

int main(int count, char **words T_UNUSED)
{
	char path[4096];
	sigset_t set;

	if (count > 1)
		return report();
	path[T_OK(readlink("/proc/self/exe", path, sizeof(path) - 1))] = 0;
	/* main's own mask is another than that of the thread that execs */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	t_handler(SIGUSR1, on_signal, 0);
	t_handler(SIGUSR2, on_signal, SA_RESTART);
	t_handler(SIGCHLD, on_signal, 0);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (int thread = 0; thread < 2; thread++) {
		pid_t pid;

		t_say("%s", thread ? "by a thread" : "by main");
		pid = fork();
		if (!pid) {
			T_OK(sigprocmask(SIG_BLOCK, &set, NULL));
			if (thread)
				t_join(t_thread(execs, path));
			else
				execs(path);
		}
		t_say("status %d", t_reap(pid));
	}
	return t_done();
}
