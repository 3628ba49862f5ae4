/* SPDX-License-Identifier: MIT */
/* LIBS: -lrt */
/* POSIX message queues make readers and writers wait, keep priorities, and time out. */
#include "../helpers.h"

#include <mqueue.h>

static mqd_t queue;

static void *receives(void *arg T_UNUSED)
{
	char text[32];
	unsigned priority;
	int count = 0;

	while (mq_receive(queue, text, sizeof(text), &priority) > 0 && strcmp(text, "end")) {
		t_say("%s at %u", text, priority);
		count++;
	}
	return (void *)(intptr_t)count;
}

static void *sends(void *arg T_UNUSED)
{
	for (int i = 0; i < 20; i++)
		T_OK(mq_send(queue, "bulk", 5, 1));
	T_OK(mq_send(queue, "end", 4, 0));
	return NULL;
}

int main(void)
{
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 32};
	struct timespec until;
	pthread_t reader, writer;
	char name[64], text[32];
	int64_t start;

	snprintf(name, sizeof(name), "/t_mqueue.%d", getpid());
	queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	if (queue < 0)
		t_skip("no POSIX message queues here");
	mq_unlink(name);
	until = t_after(CLOCK_REALTIME, 60);
	start = t_now_ms();
	t_check("timed receive", mq_timedreceive(queue, text, sizeof(text), NULL, &until) == -1 &&
					 errno == ETIMEDOUT && t_took(start, 60));
	T_OK(mq_send(queue, "low", 4, 1));
	T_OK(mq_send(queue, "high", 5, 9));
	reader = t_thread(receives, NULL);
	do
		t_nap(10);
	while (mq_getattr(queue, &attr) == 0 && attr.mq_curmsgs);
	T_OK(mq_send(queue, "late", 5, 3));
	t_settle();
	T_OK(mq_send(queue, "end", 4, 0));
	t_say("received %ld", (long)(intptr_t)t_join(reader));

	writer = t_thread(sends, NULL);
	t_settle();
	until = t_after(CLOCK_REALTIME, 60);
	start = t_now_ms();
	t_check("full, timed send", mq_timedsend(queue, "x", 2, 9, &until) == -1 &&
					    errno == ETIMEDOUT && t_took(start, 60));
	reader = t_thread(receives, NULL);
	t_join(writer);
	t_say("received %ld", (long)(intptr_t)t_join(reader));
	return t_done();
}
