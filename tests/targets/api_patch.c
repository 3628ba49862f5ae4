/* SPDX-License-Identifier: MIT */
/* Patched late: what the program has set up before, and what it does afterwards. */
#include "../helpers.h"

#include <copatch.h>
#include <sys/mman.h>

static volatile sig_atomic_t caught, on_altstack;
static char altstack[1 << 16];

static void handler(int sig)
{
	char here;

	caught = caught * 10 + sig;
	on_altstack = &here > altstack && &here < altstack + sizeof(altstack);
}

static void *sleeps(void *arg)
{
	t_nap(200);
	return arg;
}

static int kernel_threads(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	int n = 0;

	while (fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &n);
	fclose(f);
	return n;
}

/* The program of a linked test, and of one that is preloaded into. */
static void busy(void)
{
	int before = kernel_threads();
	pthread_t thread = t_thread(sleeps, NULL);

	if (kernel_threads() == before) /* preloaded */
		t_check("as it must be", copatch_patch_all() == 0);
	else
		t_check("as it must be", copatch_patch_all() == -EBUSY);
	t_join(thread);
}

static void *patches(void *arg)
{
	*(int *)arg = copatch_patch_all();
	return arg;
}

static void thirty_threads(void)
{
	pthread_t thread[30];
	int64_t since = t_now_ms();

	for (int i = 0; i < 30; i++)
		thread[i] = t_thread(sleeps, NULL);
	t_check("no kernel thread each", kernel_threads() < 10); /* some read files for us */
	for (int i = 0; i < 30; i++)
		t_join(thread[i]);
	t_check("side by side", t_took(since, 200));
}

static sem_t *shared;

static void *waits(void *arg)
{
	sem_wait(shared);
	return arg;
}

static void shared_memory(void)
{
	pthread_t thread = t_thread(waits, &shared);
	pid_t child;

	t_settle();
	child = fork();
	if (!child) {
		sem_post(shared);
		_exit(0);
	}
	t_check("the child has posted", t_reap(child) == 0);
	t_check("and was heard", t_join(thread) == &shared);
}

static void signals(void)
{
	sigset_t set, old;

	raise(SIGUSR1);
	t_check("blocked before, blocked after", caught == 0);
	raise(SIGUSR2);
	t_check("the handler from before", caught == SIGUSR2);
	t_check("on its stack", on_altstack);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	caught = 0;
	sigprocmask(SIG_UNBLOCK, &set, &old);
	t_check("unblocked", caught == SIGUSR1);
	t_check("the mask was right", sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
}

int main(void)
{
	stack_t ss = {.ss_sp = altstack, .ss_size = sizeof(altstack)};
	sigset_t set;
	int pair[2];
	char byte = 'x';

	/* Before: a handler on its own stack, blocked signals (all that there is), shared memory.
	 */
	T_OK(sigaltstack(&ss, NULL));
	t_handler(SIGUSR1, handler, SA_ONSTACK);
	t_handler(SIGUSR2, handler, SA_ONSTACK);
	sigfillset(&set);
	sigdelset(&set, SIGUSR2);
	T_OK(sigprocmask(SIG_SETMASK, &set, NULL));
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(shared, 1, 0);
	T_OK(pipe(pair));
	T_OK(write(pair[1], &byte, 1));
	busy();

	t_check("patched", copatch_patch_all() == 0);
	t_check("again", copatch_patch_all() == 0);
	t_check("a pipe from before", read(pair[0], &byte, 1) == 1 && byte == 'x');
	thirty_threads();
	t_join(t_thread(patches, &pair[0]));
	t_check("from a thread", pair[0] == 0);
	signals();
	shared_memory();
	return t_done();
}
