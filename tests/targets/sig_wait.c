/* SPDX-License-Identifier: MIT */
/* sigwait, sigwaitinfo and sigtimedwait take signals with their values, in order, or time out. */
#include "../helpers.h"

static sigset_t set;

static void *waits(void *arg T_UNUSED)
{
	int signal = 0;

	sigwait(&set, &signal);
	return (void *)(intptr_t)signal;
}

static void *waits_info(void *arg)
{
	siginfo_t info;
	int signal = sigwaitinfo(&set, &info);

	t_say("info: signal %d code %d value %d mine %d", signal == SIGRTMIN,
	      info.si_code == SI_QUEUE, info.si_value.sival_int, info.si_pid == getpid());
	return arg;
}

int main(void)
{
	struct timespec ts = t_timespec(80);
	siginfo_t info;
	pthread_t thread, other;
	int64_t start;
	pid_t child;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	thread = t_thread(waits, NULL);
	t_settle();
	T_OK(kill(getpid(), SIGUSR1));
	t_check("sigwait, process signal", (intptr_t)t_join(thread) == SIGUSR1);
	thread = t_thread(waits, NULL);
	other = t_thread(waits, NULL);
	t_settle();
	T_ZERO(pthread_kill(other, SIGUSR1));
	t_check("sigwait, thread signal", (intptr_t)t_join(other) == SIGUSR1);
	T_ZERO(pthread_kill(thread, SIGRTMIN));
	t_check("the other one still waited", (intptr_t)t_join(thread) == SIGRTMIN);

	thread = t_thread(waits_info, NULL);
	t_settle();
	T_OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 4711}));
	t_join(thread);
	thread = t_thread(waits_info, NULL);
	t_settle();
	T_ZERO(pthread_sigqueue(thread, SIGRTMIN, (union sigval){.sival_int = 4712}));
	t_join(thread);

	for (int i = 0; i < 5; i++)
		T_OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
	T_OK(kill(getpid(), SIGUSR1));
	t_say("ordinary first: %d", sigwaitinfo(&set, &info) == SIGUSR1);
	for (int i = 0; i < 5; i++) {
		sigwaitinfo(&set, &info);
		t_say("queued %d", info.si_value.sival_int);
	}
	start = t_now_ms();
	t_check("times out", sigtimedwait(&set, &info, &ts) == -1 && errno == EAGAIN);
	t_check("after 80 ms", t_took(start, 80));
	ts = t_timespec(0);
	t_check("no wait", sigtimedwait(&set, NULL, &ts) == -1 && errno == EAGAIN);
	child = T_OK(fork());
	if (child == 0)
		_exit(7);
	t_check("a child's end",
		sigwaitinfo(&set, &info) == SIGCHLD && info.si_pid == child && info.si_status == 7);
	t_say("reaped %d", t_reap(child));
	return t_done();
}
