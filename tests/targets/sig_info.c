/* SPDX-License-Identifier: MIT */
/* SA_SIGINFO handlers learn sender, code and value, of each way to send; faults tell the place. */
#include "../helpers.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static __thread siginfo_t seen;
static __thread int runs, blocked_in_context;
static __thread sigjmp_buf back;

static void handler(int signal T_UNUSED, siginfo_t *info, void *context)
{
	ucontext_t *frame = context;

	seen = *info;
	runs++;
	blocked_in_context = sigismember(&frame->uc_sigmask, SIGUSR2);
}

static void fault(int signal T_UNUSED, siginfo_t *info, void *context T_UNUSED)
{
	seen = *info;
	siglongjmp(back, 1);
}

static void *all(void *arg T_UNUSED)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigset_t set;
	pid_t child, self = getpid();

	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	T_ZERO(pthread_kill(pthread_self(), SIGUSR1));
	t_say("pthread_kill: runs %d code %d mine %d", runs, seen.si_code == SI_TKILL,
	      seen.si_pid == self);
	T_ZERO(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 99}));
	t_say("pthread_sigqueue: runs %d code %d value %d uid %d", runs, seen.si_code == SI_QUEUE,
	      seen.si_value.sival_int, seen.si_uid == getuid());
	t_say("mask in the frame has USR2: %d", blocked_in_context);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	t_say("now it has: %d", blocked_in_context);

	child = T_OK(fork());
	if (child == 0)
		_exit(sigqueue(self, SIGUSR1, (union sigval){.sival_int = 5}));
	for (int i = 0; i < 500 && runs < 4; i++)
		usleep(10000);
	t_say("from a child: code %d value %d sender %d", seen.si_code == SI_QUEUE,
	      seen.si_value.sival_int, seen.si_pid == child);
	t_reap(child);

	if (!sigsetjmp(back, 1))
		*(volatile char *)page = 1;
	t_say("fault: code %d place %d", seen.si_code == SEGV_ACCERR, seen.si_addr == page);
	munmap(page, 4096);
	if (!sigsetjmp(back, 1))
		*(volatile char *)page = 1;
	t_say("fault: code %d place %d", seen.si_code == SEGV_MAPERR, seen.si_addr == page);
	return NULL;
}

int main(void)
{
	struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	pthread_t thread;
	sigset_t set;

	T_OK(sigaction(SIGUSR1, &action, NULL));
	action.sa_sigaction = fault;
	T_OK(sigaction(SIGSEGV, &action, NULL));
	/* the child's signal is for the process, and must find the thread, which lets it in */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	thread = t_thread(all, NULL);
	t_join(thread);
	return t_done();
}
