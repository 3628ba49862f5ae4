/* SPDX-License-Identifier: MIT */
/* LIBS: -lrt */
/* While one thread waits for a queue, a semaphore, a lock, a FIFO or a disk, others go on. */
#include "../helpers.h"

#include <linux/aio_abi.h>
#include <mqueue.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <sys/stat.h>

static volatile int ticks;
static volatile bool over;
static int queue, full, semaphore, file;
static mqd_t empty_mq, full_mq;

static struct message {
	long type;
	char text[64];
} message = {1, "text"};

static void *ticks_on(void *arg T_UNUSED)
{
	while (!over) {
		t_nap(1);
		ticks++;
	}
	return NULL;
}

static long receives(void)
{
	struct message got;

	return msgrcv(queue, &got, sizeof(got.text), 0, 0);
}

static void sends(void)
{
	T_OK(msgsnd(queue, &message, sizeof(message.text), 0));
}

static long sends_to_full(void)
{
	return msgsnd(full, &message, sizeof(message.text), 0);
}

static void empties(void)
{
	struct message got;

	T_OK(msgrcv(full, &got, sizeof(got.text), 0, 0));
}

static long takes(void)
{
	return semop(semaphore, &(struct sembuf){0, -1, 0}, 1);
}

static void gives(void)
{
	T_OK(semop(semaphore, &(struct sembuf){0, 1, 0}, 1));
}

static long takes_in_time(void)
{
	struct timespec time = t_timespec(300);

	return semtimedop(semaphore, &(struct sembuf){0, -1, 0}, 1, &time);
}

static long mq_receives(void)
{
	char text[8];

	return mq_receive(empty_mq, text, sizeof(text), NULL);
}

static void mq_sends(void)
{
	T_OK(mq_send(empty_mq, "text", 5, 1));
}

static long mq_sends_to_full(void)
{
	return mq_send(full_mq, "text", 5, 1);
}

static void mq_empties(void)
{
	char text[8];

	T_OK(mq_receive(full_mq, text, sizeof(text), NULL));
}

static long opens(void)
{
	int fd = open("fifo", O_RDONLY);

	close(fd);
	return fd < 0 ? -1 : 0;
}

static void opens_too(void)
{
	close(T_OK(open("fifo", O_WRONLY)));
}

static long locks(void)
{
	int fd = open("file", O_RDWR);
	struct flock lock = {.l_type = F_WRLCK};
	int err = fcntl(fd, F_OFD_SETLKW, &lock) | flock(fd, LOCK_EX);

	close(fd);
	return err;
}

static void unlocks(void)
{
	struct flock lock = {.l_type = F_UNLCK};

	T_OK(flock(file, LOCK_UN));
	T_OK(fcntl(file, F_OFD_SETLK, &lock));
}

static long awaits_disk(void)
{
	struct timespec time = t_timespec(300);
	aio_context_t context = 0;
	struct io_event event;
	long n;

	if (syscall(SYS_io_setup, 4, &context))
		return 0;
	n = syscall(SYS_io_getevents, context, 1, 1, &event, &time);
	syscall(SYS_io_destroy, context);
	return n;
}

static long asks_for_chance(void)
{
	char bytes[64];
	long n = getrandom(bytes, sizeof(bytes), 0);

	t_nap(300);
	return n;
}

static const struct {
	const char *what;
	long (*waits)(void);
	void (*ends)(void);
} all[] = {
	{"msgrcv", receives, sends},
	{"msgsnd", sends_to_full, empties},
	{"semop", takes, gives},
	{"semtimedop", takes_in_time, NULL},
	{"mq_receive", mq_receives, mq_sends},
	{"mq_send", mq_sends_to_full, mq_empties},
	{"open of a FIFO", opens, opens_too},
	{"locks", locks, unlocks},
	{"io_getevents", awaits_disk, NULL},
	{"getrandom", asks_for_chance, NULL},
};

static void *runs(void *arg)
{
	long result = all[(intptr_t)arg].waits();

	return (void *)(result < 0 ? -(long)errno : result);
}

static mqd_t make_queue(const char *which)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	char name[64];
	mqd_t mq;

	snprintf(name, sizeof(name), "/t_%s.%d", which, getpid());
	mq = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	if (mq < 0)
		t_skip("no POSIX message queues here");
	mq_unlink(name);
	return mq;
}

static void prepare(void)
{
	struct flock lock = {.l_type = F_WRLCK};

	queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (queue < 0)
		t_skip("no System V IPC in this kernel");
	full = T_OK(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
	while (!msgsnd(full, &message, sizeof(message.text), IPC_NOWAIT))
		;
	semaphore = T_OK(semget(IPC_PRIVATE, 1, IPC_CREAT | 0600));
	empty_mq = make_queue("empty");
	full_mq = make_queue("full");
	T_OK(mq_send(full_mq, "text", 5, 1));
	T_OK(mkfifo("fifo", 0600));
	file = T_OK(open("file", O_CREAT | O_RDWR, 0600));
	T_OK(flock(file, LOCK_EX));
	T_OK(fcntl(file, F_OFD_SETLK, &lock));
}

int main(void)
{
	pthread_t ticker;

	prepare();
	ticker = t_thread(ticks_on, NULL);
	for (size_t i = 0; i < T_COUNT(all); i++) {
		int before = ticks;
		pthread_t thread = t_thread(runs, (void *)i);

		if (all[i].ends) {
			/* on a busy machine a tick takes its time */
			for (int late = 0; late < 20 && ticks - before < 5; late++)
				t_nap(150);
			all[i].ends();
		}
		t_say("%s: %ld", all[i].what, (long)(intptr_t)t_join(thread));
		t_check("others went on", ticks - before >= 5);
	}
	over = true;
	t_join(ticker);
	msgctl(queue, IPC_RMID, NULL);
	msgctl(full, IPC_RMID, NULL);
	semctl(semaphore, 0, IPC_RMID);
	return t_done();
}
