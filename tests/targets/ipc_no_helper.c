/* SPDX-License-Identifier: MIT */
/* Where the user may have no further process, a thread that waits for a message stops nobody. */
#include "../helpers.h"

#include <sys/msg.h>
#include <sys/resource.h>

struct message {
	long type;
	char text[8];
};

static int queue;

static void *receives(void *arg)
{
	static struct message in;

	(void)arg;
	T_OK(msgrcv(queue, &in, sizeof(in.text), 0, 0));
	return in.text;
}

int main(void)
{
	struct rlimit one = {1, 1};
	struct message out = {1, "hello"};
	pthread_t reader;

	queue = T_OK(msgget(IPC_PRIVATE, IPC_CREAT | 0666));
	/* The limit binds nobody with rights, and threads that there are already stay. */
	if (geteuid() == 0)
		T_OK(setresuid(65534, 65534, 0));
	reader = t_thread(receives, NULL);
	T_OK(setrlimit(RLIMIT_NPROC, &one));
	t_settle();
	t_say("main goes on");
	T_OK(msgsnd(queue, &out, sizeof(out.text), 0));
	t_say("got %s", (char *)t_join(reader));
	if (geteuid() == 65534)
		T_OK(setresuid(0, 0, 0));
	T_OK(msgctl(queue, IPC_RMID, NULL));
	return t_done();
}
