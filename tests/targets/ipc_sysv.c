/* SPDX-License-Identifier: MIT */
/* System V queues and semaphores make a thread wait, and time out, while others run. */
#include "../helpers.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

struct message {
	long type;
	char text[16];
};

static int queue, semaphore;

static void *receives(void *arg)
{
	struct message message;

	if (msgrcv(queue, &message, sizeof(message.text), (intptr_t)arg, 0) < 0)
		return strdup(strerror(errno));
	return strdup(message.text);
}

static void *waits(void *arg T_UNUSED)
{
	struct sembuf down = {0, -2, 0};

	return (void *)(intptr_t)semop(semaphore, &down, 1);
}

static void *posts(void *arg T_UNUSED)
{
	struct sembuf up = {0, 1, 0};

	for (int i = 0; i < 2; i++) {
		t_nap(40);
		T_OK(semop(semaphore, &up, 1));
	}
	return NULL;
}

int main(void)
{
	struct message one = {1, "first kind"}, two = {2, "second kind"};
	struct timespec ts = t_timespec(60);
	struct sembuf down = {0, -1, 0};
	pthread_t a, b;
	int64_t start;
	char *text;

	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0 && errno == ENOSYS)
		t_skip("no System V IPC in this kernel");
	a = t_thread(receives, (void *)1);
	b = t_thread(receives, (void *)2);
	t_settle();
	T_OK(msgsnd(queue, &two, sizeof(two.text), 0));
	t_say("%s", text = t_join(b));
	free(text);
	T_OK(msgsnd(queue, &one, sizeof(one.text), 0));
	t_say("%s", text = t_join(a));
	free(text);
	a = t_thread(receives, (void *)1);
	t_settle();
	T_OK(msgctl(queue, IPC_RMID, NULL));
	t_say("removed: %s", text = t_join(a));
	free(text);

	semaphore = T_OK(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
	start = t_now_ms();
	a = t_thread(waits, NULL);
	b = t_thread(posts, NULL);
	t_check("semop waited", t_join(a) == NULL && t_took(start, 80));
	t_join(b);
	start = t_now_ms();
	t_check("semtimedop",
		semtimedop(semaphore, &down, 1, &ts) == -1 && errno == EAGAIN && t_took(start, 60));
	T_OK(semctl(semaphore, 0, IPC_RMID));
	return t_done();
}
