/* SPDX-License-Identifier: MIT */
/* A process with threads is stopped and goes on: its sleeps end in time, its waits stay. */
#include "../helpers.h"

static volatile sig_atomic_t continued;
static int ends[2];

static void on_continue(int sig T_UNUSED)
{
	continued++;
}

static void *sleeps(void *arg T_UNUSED)
{
	struct timespec time = t_timespec(600);
	int64_t began = t_now_ms();

	return (void *)(intptr_t)(nanosleep(&time, NULL) == 0 && t_took(began, 600));
}

static void *reads(void *arg T_UNUSED)
{
	char byte;

	return (void *)(intptr_t)read(ends[0], &byte, 1);
}

static void child(bool handler)
{
	pthread_t a, b;
	sigset_t set;

	if (handler) {
		/* the handler is main's, so that the sleeper is not interrupted */
		sigemptyset(&set);
		sigaddset(&set, SIGCONT);
		T_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
		t_handler(SIGCONT, on_continue, SA_RESTART);
	}
	a = t_thread(sleeps, NULL);
	b = t_thread(reads, NULL);
	sigemptyset(&set);
	while (handler && !continued)
		sigsuspend(&set);
	t_check("a sleep goes on", t_join(a));
	t_say("read gave %ld, SIGCONT was seen %d times", (long)(intptr_t)t_join(b), continued);
	_exit(t_done());
}

static void stop_and_continue(bool handler)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		child(handler);
	t_nap(150);
	T_OK(kill(pid, SIGSTOP));
	T_OK(waitpid(pid, &status, WUNTRACED));
	t_say("stopped: %d by %d", WIFSTOPPED(status), WSTOPSIG(status));
	t_nap(150);
	T_OK(kill(pid, SIGCONT));
	T_OK(waitpid(pid, &status, WCONTINUED));
	t_say("continued: %d", WIFCONTINUED(status));
	T_OK(write(ends[1], "x", 1));
	t_say("ended: %d", t_reap(pid));
}

static void *stops_itself(void *arg T_UNUSED)
{
	raise(SIGTSTP);
	return NULL;
}

int main(void)
{
	int status;
	pid_t pid;

	T_OK(pipe(ends));
	stop_and_continue(false);
	stop_and_continue(true);
	/* the default of SIGTSTP, raised in a thread, stops all */
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		t_join(t_thread(stops_itself, NULL));
		_exit(7);
	}
	T_OK(waitpid(pid, &status, WUNTRACED));
	t_say("stopped: %d", WIFSTOPPED(status));
	if (WIFSTOPPED(status))
		T_OK(kill(pid, SIGCONT));
	t_say("ended: %d", WIFSTOPPED(status) ? t_reap(pid) : WEXITSTATUS(status));
	return t_done();
}
