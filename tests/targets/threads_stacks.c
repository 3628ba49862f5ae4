/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* Stacks: overflow meets the guard, whatever its size; freed ones come back clean, or not. */
#include "../helpers.h"

#include <link.h>
#include <sys/mman.h>

#define STACK (256 * 1024)
#define MANY  40000

static char *guard_begin, *guard_end;
static char alternate[64 * 1024];

static void *bounds(void *arg)
{
	pthread_attr_t attr;
	size_t size, guard;
	void *base;

	T_ZERO(pthread_getattr_np(pthread_self(), &attr));
	T_ZERO(pthread_attr_getstack(&attr, &base, &size));
	T_ZERO(pthread_attr_getguardsize(&attr, &guard));
	pthread_attr_destroy(&attr);
	guard_end = base;
	guard_begin = guard_end - guard;
	return arg;
}

static volatile bool deeper = true;

__attribute__((noinline)) static int dive(volatile char *above)
{
	volatile char here[512];

	here[0] = *above;
	if (!deeper)
		return 0;
	return dive(here) + here[0];
}

static void *overflow(void *arg)
{
	volatile char top = 0;

	bounds(NULL);
	if (arg) {
		stack_t alt = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

		T_OK(sigaltstack(&alt, NULL));
	}
	dive(&top);
	return NULL;
}

static void on_fault(int sig T_UNUSED, siginfo_t *info, void *context T_UNUSED)
{
	char *at = info->si_addr;

	_exit((at >= guard_begin && at < guard_end) + 2 * (info->si_code == SEGV_ACCERR));
}

static pthread_t start(size_t guard, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstacksize(&attr, STACK));
	T_ZERO(pthread_attr_setguardsize(&attr, guard));
	T_ZERO(pthread_create(&thread, &attr, fn, arg));
	pthread_attr_destroy(&attr);
	return thread;
}

static void *pass(void *arg)
{
	return arg;
}

/* In a child: natively or not, the kernel says how it ended. `before`: sizes used before. */
static int overflow_in_child(size_t guard, bool handled, size_t before)
{
	pid_t child = T_OK(fork());

	if (!child) {
		struct sigaction action = {.sa_sigaction = on_fault,
					   .sa_flags = SA_SIGINFO | SA_ONSTACK};

		if (handled)
			T_OK(sigaction(SIGSEGV, &action, NULL));
		if (before)
			t_join(start(before, pass, NULL));
		t_join(start(guard, overflow, handled ? alternate : NULL));
		_exit(99);
	}
	return t_reap(child);
}

static __thread long zero[100];
static __thread long seven = 7;

static void *fresh(void *arg)
{
	volatile char deep[16384];
	bool ok = seven == 7;

	for (size_t i = 0; i < T_COUNT(zero); i++) {
		ok &= !zero[i];
		zero[i] = -1;
	}
	seven = 8;
	memset((char *)deep, 0xff, sizeof(deep));
	return ok && deep[100] ? arg : NULL;
}

static bool batches(void)
{
	static pthread_t thread[400];
	bool ok = true;

	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < T_COUNT(thread); i++)
			thread[i] = t_thread(fresh, &thread[i]);
		for (size_t i = 0; i < T_COUNT(thread); i++)
			ok &= t_join(thread[i]) == &thread[i];
	}
	return ok;
}

static long resident(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kb = -1;

	if (!f)
		t_die("smaps_rollup", __LINE__, errno);
	while (kb < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "Rss: %ld kB", &kb);
	fclose(f);
	return kb * 1024;
}

static pthread_barrier_t barrier;

static void *touch(void *arg)
{
	char deep[128 * 1024];

	memset(deep, 1, sizeof(deep));
	__asm__ volatile("" : : "r"(deep) : "memory");
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static bool given_back(void)
{
	static pthread_t thread[400];
	long before = resident(), most;

	T_ZERO(pthread_barrier_init(&barrier, NULL, T_COUNT(thread) + 1));
	for (size_t i = 0; i < T_COUNT(thread); i++)
		thread[i] = start(4096, touch, NULL);
	pthread_barrier_wait(&barrier);
	most = resident();
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < T_COUNT(thread); i++)
		t_join(thread[i]);
	/* glibc keeps 40 MB of stacks, but not what a thread has touched of them. */
	return most - before > 45000000 && resident() - before < 16000000;
}

static sem_t go, gone;

static void *wait_to_go(void *arg)
{
	sem_wait(&go);
	sem_post(&gone);
	return arg;
}

static int is_copatch(struct dl_phdr_info *info, size_t size T_UNUSED, void *arg T_UNUSED)
{
	return strstr(info->dlpi_name, "libcopatch") != NULL;
}

/* Natively the system's limits may be lower: there a hundred must do. */
static bool many(int n, bool fork_meanwhile)
{
	int made = 0;
	pthread_attr_t attr;
	bool ok = true;

	T_ZERO(sem_init(&go, 0, 0));
	T_ZERO(sem_init(&gone, 0, 0));
	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstacksize(&attr, 16384));
	T_ZERO(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	while (made < n) {
		pthread_t thread;

		if (pthread_create(&thread, &attr, wait_to_go, NULL))
			break;
		made++;
	}
	if (fork_meanwhile) {
		pid_t child = T_OK(fork());

		/* Their stacks are the child's to use, or to free. */
		if (!child)
			_exit(batches() && t_join(t_thread(fresh, &go)) == &go ? 3 : 4);
		ok &= t_reap(child) == 3;
	}
	for (int i = 0; i < made; i++)
		sem_post(&go);
	for (int i = 0; i < made; i++)
		sem_wait(&gone);
	return ok && made == n;
}

/* A guard that grows and shrinks on one stack of glibc's cache. */
static bool changing_guards(void)
{
	static const size_t guard[] = {4096, 65536, 8192, 4096, 16384};
	bool ok = true;

	for (size_t i = 0; i < T_COUNT(guard); i++) {
		int pipes[2];

		t_join(start(guard[i], bounds, NULL));
		T_OK(pipe(pipes));
		/* The stack is in the cache now; the kernel says what may be read. */
		ok &= write(pipes[1], guard_end - 1, 1) == -1 && errno == EFAULT;
		ok &= write(pipes[1], guard_begin, 1) == -1 && errno == EFAULT;
		ok &= write(pipes[1], guard_end, 1) == 1;
		close(pipes[0]);
		close(pipes[1]);
	}
	return ok;
}

static void *scribble(void *arg)
{
	fresh(arg);
	return arg;
}

static bool own_stack(void)
{
	char *own = T_OK(mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));
	pthread_attr_t attr;
	pthread_t thread;
	bool ok;

	own[0] = 5;
	T_ZERO(pthread_attr_init(&attr));
	T_ZERO(pthread_attr_setstack(&attr, own, STACK));
	T_ZERO(pthread_create(&thread, &attr, scribble, NULL));
	t_join(thread);
	ok = own[0] == 5;
	T_OK(munmap(own, STACK));
	return ok;
}

/* Memory that somebody asks for as glibc does is what mmap promises, and what mprotect says. */
static bool by_hand(void)
{
	bool ok = true;

	for (int round = 0; round < 50; round++) {
		char *at = T_OK(mmap(NULL, STACK, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0));

		T_OK(mprotect(at + 4096, STACK - 4096, PROT_READ | PROT_WRITE));
		for (int i = 4096; i < STACK; i += 512)
			ok &= !at[i];
		memset(at + 4096, 1, STACK - 4096);
		if (round % 3 == 0) {
			T_OK(mprotect(at + 8192, 4096, PROT_READ));
			T_OK(mprotect(at, 8192, PROT_READ | PROT_WRITE));
			ok &= !at[0] && at[4096] == 1 && at[8192] == 1;
			at[0] = 1;
		}
		if (round % 5 == 0) {
			T_OK(munmap(at, STACK / 2));
			ok &= at[STACK / 2] == 1;
			T_OK(munmap(at + STACK / 2, STACK / 2));
		} else if (round % 7 == 0) {
			char *to = T_OK(mremap(at, STACK, STACK / 2, MREMAP_MAYMOVE));

			ok &= to[4096] == 1;
			T_OK(munmap(to, STACK / 2));
		} else {
			T_OK(munmap(at, STACK));
		}
	}
	return ok;
}

int main(void)
{
	t_say("overflow ends with %d", overflow_in_child(4096, false, 0));
	t_say("seen by a handler: %d", overflow_in_child(4096, true, 0));
	t_say("guard of 64 KB: %d", overflow_in_child(65536, true, 0));
	t_say("guard of 1 MB: %d", overflow_in_child(1 << 20, true, 0));
	t_say("larger guard than before: %d", overflow_in_child(16384, true, 4096));
	t_say("smaller guard than before: %d", overflow_in_child(4096, true, 16384));
	t_check("guards change on one stack", changing_guards());
	t_check("TLS is fresh on used stacks", batches());
	t_check("memory goes back", given_back());
	t_check("memory mapped by hand", by_hand());
	t_check("a stack of one's own", own_stack());
	t_check("many at once", many(dl_iterate_phdr(is_copatch, NULL) ? MANY : 100, false));
	t_check("many at once, and a fork", many(1000, true));
	T_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	t_check("locked in memory", t_join(t_thread(fresh, &go)) == &go);
	t_say("overflow of a locked one: %d", overflow_in_child(4096, true, 0));
	return t_done();
}
