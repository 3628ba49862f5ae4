/* SPDX-License-Identifier: MIT */
/* LONG: 100 60 */
/* Children are killed in the middle of what they say: waiting threads see how each has ended. */
#include "../load.h"

#define CHILDREN 8

struct talk {
	int seen;   /* bytes that came before the end */
	int status; /* of the child, as t_reap says */
};

static void chatter(int fd)
{
	char byte = 'x';

	while (write(fd, &byte, 1) == 1)
		;
	_exit(0);
}

static void *converse(void *arg)
{
	struct talk *t = arg;
	int pair[2];
	char data[64];
	ssize_t n;
	pid_t pid;

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = T_OK(fork());
	if (!pid) {
		close(pair[0]);
		chatter(pair[1]);
	}
	close(pair[1]);
	while (t->seen < 500 && (n = read(pair[0], data, sizeof(data))) > 0)
		t->seen += (int)n;
	kill(pid, SIGKILL);
	t->status = t_reap(pid);
	close(pair[0]);
	return NULL;
}

int main(void)
{
	int rounds = t_rounds(5), killed = 0, talked = 0;

	load_start(10);
	for (int i = 0; i < rounds; i++) {
		struct talk talk[CHILDREN] = {{0}};
		pthread_t threads[CHILDREN];

		for (int k = 0; k < CHILDREN; k++)
			threads[k] = t_thread(converse, &talk[k]);
		for (int k = 0; k < CHILDREN; k++) {
			t_join(threads[k]);
			killed += talk[k].status == 1000 + SIGKILL;
			talked += talk[k].seen >= 500;
		}
	}
	t_check("every child was killed and reaped", killed == rounds * CHILDREN);
	t_check("every child was heard before", talked == rounds * CHILDREN);
	t_check("none is left", waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
	load_stop();
	return t_done();
}
