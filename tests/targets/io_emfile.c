/* SPDX-License-Identifier: MIT */
/* A full descriptor table gives EMFILE, and threads, waits and existing files go on. */
#include "../helpers.h"

#include <sys/resource.h>

static int pair[2];

static void *reads(void *arg T_UNUSED)
{
	char byte;

	t_nap(20);
	return (void *)(intptr_t)read(pair[0], &byte, 1);
}

int main(void)
{
	struct rlimit limit = {64, 64};
	struct sockaddr_in address;
	int listener, client, fd, opened = 0, ends[2], last = -1;
	pthread_t thread;
	int64_t start;

	T_OK(setrlimit(RLIMIT_NOFILE, &limit));
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	listener = t_listener(&address);
	client = t_connect(&address);
	while ((fd = dup(0)) >= 0) {
		last = fd;
		opened++;
	}
	t_check("EMFILE in the end", errno == EMFILE && opened > 20);
	t_check("all the numbers were ours", last == 63);
	t_check("accept", accept(listener, NULL, NULL) == -1 && errno == EMFILE);
	t_check("pipe", pipe(ends) == -1 && errno == EMFILE);
	t_check("open", open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
	thread = t_thread(reads, NULL);
	start = t_now_ms();
	t_nap(60);
	t_check("sleep", t_took(start, 60));
	T_OK(write(pair[1], "x", 1));
	t_check("a thread reads", (intptr_t)t_join(thread) == 1);
	close(last);
	fd = accept(listener, NULL, NULL);
	t_check("accept after a close", fd == last);
	T_OK(write(client, "x", 1));
	return t_done();
}
