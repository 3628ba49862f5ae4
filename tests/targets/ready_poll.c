/* SPDX-License-Identifier: MIT */
/* poll and ppoll: timeouts, several descriptors, duplicates, negatives, and every kind of event. */
#include "../helpers.h"

#include <poll.h>

static int pipes[3][2];

static void *pokes(void *arg)
{
	t_settle();
	T_OK(write(*(int *)arg, "x", 1));
	return NULL;
}

static void *closes(void *arg)
{
	t_settle();
	close(*(int *)arg);
	return NULL;
}

static void show(const char *what, int ready, struct pollfd *fds, int count)
{
	char line[128] = "";

	for (int i = 0; i < count; i++)
		sprintf(line + strlen(line), " %#x", fds[i].revents);
	t_say("%s: %d,%s", what, ready, line);
}

static void *all(void *arg T_UNUSED)
{
	struct timespec ts = t_timespec(50);
	struct pollfd fds[5];
	pthread_t thread;
	int64_t start;
	int pair[2], file;

	for (int i = 0; i < 3; i++) {
		T_OK(pipe(pipes[i]));
		fds[i] = (struct pollfd){pipes[i][0], POLLIN, 0};
	}
	t_say("nothing, no wait: %d", poll(fds, 3, 0));
	start = t_now_ms();
	t_say("nothing, 50 ms: %d", poll(fds, 3, 50));
	t_check("after 50 ms", t_took(start, 50));
	start = t_now_ms();
	t_say("ppoll, 50 ms: %d", ppoll(fds, 3, &ts, NULL));
	t_check("after 50 ms", t_took(start, 50));

	thread = t_thread(pokes, &pipes[1][1]);
	show("second of three", poll(fds, 3, -1), fds, 3);
	t_join(thread);
	fds[3] = fds[4] = fds[1];
	fds[0].fd = -1;
	fds[0].revents = 99;
	show("negative and duplicates", poll(fds, 5, 1000), fds, 5);
	fds[2] = (struct pollfd){1000, POLLIN, 0};
	show("not open", poll(fds, 3, 1000), fds, 3);
	fds[0] = (struct pollfd){pipes[0][0], POLLIN, 0};
	thread = t_thread(closes, &pipes[0][1]);
	show("hang-up", poll(fds, 1, -1), fds, 1);
	t_join(thread);
	fds[0] = (struct pollfd){pipes[2][0], 0, 0};
	thread = t_thread(closes, &pipes[2][1]);
	show("hang-up without asking", poll(fds, 1, -1), fds, 1);
	t_join(thread);
	fds[0] = (struct pollfd){pipes[1][1], POLLOUT, 0};
	show("room to write", poll(fds, 1, -1), fds, 1);
	close(pipes[1][0]);
	show("no reader", poll(fds, 1, -1), fds, 1);

	file = T_OK(open("file", O_CREAT | O_RDWR, 0600));
	fds[0] = (struct pollfd){file, POLLIN | POLLOUT, 0};
	show("regular file", poll(fds, 1, -1), fds, 1);

	t_tcp_pair(pair);
	fds[0] = (struct pollfd){pair[0], POLLIN | POLLRDHUP, 0};
	shutdown(pair[1], SHUT_WR);
	show("peer's half close", poll(fds, 1, -1), fds, 1);
	t_tcp_pair(pair);
	fds[0] = (struct pollfd){pair[0], POLLPRI, 0};
	T_OK(send(pair[1], "!", 1, MSG_OOB));
	show("urgent data", poll(fds, 1, -1), fds, 1);
	t_check("too many is EINVAL", syscall(SYS_poll, fds, 1u << 30, 0) == -1 && errno == EINVAL);
	return NULL;
}

int main(void)
{
	all(NULL);
	t_join(t_thread(all, NULL));
	return t_done();
}
