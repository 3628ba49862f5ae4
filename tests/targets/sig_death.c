/* SPDX-License-Identifier: MIT */
/* A process dies of what a thread of it did or got, with the right signal, whatever others do. */
#include "../helpers.h"

#include <sys/resource.h>

static void *blocks(void *arg T_UNUSED)
{
	t_nap(10000);
	return NULL;
}

static void *dies(void *arg)
{
	t_nap(20);
	switch ((intptr_t)arg) {
	case 0:
		raise(SIGUSR1);
		break;
	case 1:
		abort();
	case 2:
		*(volatile int *)8 = 1;
		break;
	case 3:
		kill(getpid(), SIGTERM);
		break;
	case 4:
		pthread_kill(pthread_self(), SIGKILL);
		break;
	case 5:
		__builtin_trap();
	case 6: {
		volatile int zero = 0;
		zero = 1 / zero;
		break;
	}
	case 7: {
		int ends[2];
		T_OK(pipe(ends));
		close(ends[0]);
		T_OK(write(ends[1], "x", 1));
		break;
	}
	case 8:
		alarm(1);
		break;
	case 9:
		exit(33);
	case 10:
		_exit(34);
	}
	return blocks(NULL);
}

int main(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	for (intptr_t i = 0; i < 11; i++) {
		pid_t child = T_OK(fork());

		if (child == 0) {
			for (int n = 0; n < 3; n++)
				t_thread(blocks, NULL);
			t_join(t_thread(dies, (void *)i));
			_exit(99);
		}
		t_say("case %d: %d", (int)i, t_reap(child));
	}
	return t_done();
}
