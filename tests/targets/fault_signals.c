/* SPDX-License-Identifier: MIT */
/* LONG: 100 120 */
/* A storm of signals, about 10,000 a second, at threads that do I/O: no reply is lost or wrong. */
#include "../load.h"

#include <poll.h>
#include <sys/syscall.h>

#define RATE  10000
#define BURST 10
#define SPAN  100 /* milliseconds of a round */

static volatile int handled[2];

static void count(int signal)
{
	__atomic_add_fetch(&handled[signal == SIGUSR2], 1, __ATOMIC_RELAXED);
}

/* Ten at a time, since no sleep is as short as the time between two of them. */
static void burst(int (*send)(int), int *sent, int64_t since)
{
	while (*sent < (t_now_ms() - since) * RATE / 2 / 1000) {
		for (int i = 0; i < BURST; i++)
			send((*sent)++);
		usleep(500);
	}
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

static int storm(int (*send)(int))
{
	int64_t since = t_now_ms();
	int sent = 0;

	while (t_now_ms() - since < SPAN) {
		burst(send, &sent, since);
		usleep(200);
	}
	return sent;
}

/* Half of the signals come from another process, half from a thread of this one. */
static void *storms(void *arg T_UNUSED)
{
	pid_t pid = T_OK(fork());
	int sent;

	if (!pid)
		_exit(storm(to_process) < RATE * SPAN / 2000 / 2);
	sent = storm(to_thread);
	return (void *)(intptr_t)(t_reap(pid) == 0 && sent >= RATE * SPAN / 2000 / 2);
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
	t_check("half of the rate at least", stormy == rounds);
	t_check("handlers of both kinds ran", handled[0] > 100 && handled[1] > 100);
	t_check("the threads went on all the time", calm == 0);
	load_stop();
	return t_done();
}
