/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* LONG: 100 120 */
/* A storm of signals, about 10,000 a second, at threads that do I/O: no reply is lost or wrong. */
#include "../load.h"

#include <poll.h>
#include <sys/syscall.h>

#define RATE 10000
#define SPAN 100 /* milliseconds of a round */

static volatile int handled[2];

static void count(int signal)
{
	__atomic_add_fetch(&handled[signal == SIGUSR2], 1, __ATOMIC_RELAXED);
}

static int to_process(int n)
{
	return kill(getppid(), n % 2 ? SIGUSR1 : SIGUSR2);
}

static int to_thread(int n)
{
	struct load_pair *p = &load.pair[n % load.count];

	return pthread_kill(n % 3 ? p->talk : p->echo, n % 2 ? SIGUSR1 : SIGUSR2);
}

/* Several at a time, since no sleep is as short as the time between two of them. */
static int storm(int (*send)(int))
{
	int64_t since = t_now_ms(), spent;
	int sent = 0;

	do {
		spent = t_now_ms() - since;
		if (spent > SPAN)
			spent = SPAN;
		while (sent < spent * RATE / 2 / 1000)
			send(sent++);
		usleep(500);
	} while (spent < SPAN);
	return sent;
}

/* Half of the signals come from another process, half from a thread of this one. */
static void *storms(void *arg T_UNUSED)
{
	pid_t pid = T_OK(fork());
	int sent;

	if (!pid)
		_exit(storm(to_process) != RATE * SPAN / 2000);
	sent = storm(to_thread);
	return (void *)(intptr_t)(t_reap(pid) == 0 && sent == RATE * SPAN / 2000);
}

int main(void)
{
	int rounds = t_rounds(5), stormy = 0, calm = 0;

	t_handler(SIGUSR1, count, 0);
	t_handler(SIGUSR2, count, SA_RESTART);
	load_start(10);
	for (int i = 0; i < rounds; i++) {
		long before = load_exchanged();

		stormy += (intptr_t)t_join(t_thread(storms, NULL)) != 0;
		calm += load_exchanged() == before;
	}
	fprintf(stderr, "%d and %d handled\n", handled[0], handled[1]);
	t_check("all were sent", stormy == rounds);
	t_check("handlers of both kinds ran", handled[0] > 100 && handled[1] > 100);
	t_check("the threads went on all the time", calm == 0);
	load_stop();
	return t_done();
}
