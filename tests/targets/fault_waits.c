/* SPDX-License-Identifier: MIT */
/* LONG: 100 60 */
/* Calls that no event tells the end of fail, at once or after waiting, with the error meant. */
#include "../load.h"

#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>

#define WAITERS 4

static int queue, semaphore;
static char path[] = "fault_waits.lock";

struct message {
	long type;
	char text[8];
};

static void *receives(void *arg T_UNUSED)
{
	struct message m;

	return (void *)(intptr_t)(msgrcv(queue, &m, sizeof(m.text), 1, 0) < 0 ? errno : 0);
}

static void *lowers(void *arg T_UNUSED)
{
	struct sembuf down = {0, -1, 0};

	return (void *)(intptr_t)(semop(semaphore, &down, 1) ? errno : 0);
}

static struct flock range(short type, off_t start)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};

	return lock;
}

/* Holds byte 1 and waits for byte 0, which the parent has. */
static void crosses(int says, int hears)
{
	int fd = open(path, O_RDWR);
	struct flock lock = range(F_WRLCK, 1);
	char byte = 'x';

	if (fd < 0 || fcntl(fd, F_SETLKW, &lock) || write(says, &byte, 1) != 1 ||
	    read(hears, &byte, 1) != 1)
		_exit(1);
	lock = range(F_WRLCK, 0);
	_exit(fcntl(fd, F_SETLKW, &lock) ? 2 : 0);
}

/* Two processes that wait for one another: the kernel refuses the second. */
static bool deadlock(void)
{
	int fd = T_OK(open(path, O_RDWR | O_CREAT, 0600)), out[2], in[2], error, status;
	struct flock lock = range(F_WRLCK, 0);
	char byte = 'x';
	pid_t pid;

	T_OK(pipe(out));
	T_OK(pipe(in));
	T_OK(fcntl(fd, F_SETLKW, &lock));
	pid = T_OK(fork());
	if (!pid)
		crosses(out[1], in[0]);
	T_OK(read(out[0], &byte, 1));
	T_OK(write(in[1], &byte, 1));
	t_nap(20);
	lock = range(F_WRLCK, 1);
	error = fcntl(fd, F_SETLKW, &lock) ? errno : 0;
	lock = range(F_UNLCK, 0);
	T_OK(fcntl(fd, F_SETLKW, &lock));
	for (int i = 0; i < 2; i++) {
		close(out[i]);
		close(in[i]);
	}
	close(fd);
	status = t_reap(pid);
	/* It came later than we did: then it was the one. */
	return (error == EDEADLK && status == 0) || (error == 0 && status == 2);
}

static bool removed(void)
{
	pthread_t threads[2 * WAITERS];
	int good = 0;

	queue = T_OK(msgget(IPC_PRIVATE, 0600));
	semaphore = T_OK(semget(IPC_PRIVATE, 1, 0600));
	for (int i = 0; i < 2 * WAITERS; i++)
		threads[i] = t_thread(i % 2 ? receives : lowers, NULL);
	t_nap(20);
	T_OK(msgctl(queue, IPC_RMID, NULL));
	T_OK(semctl(semaphore, 0, IPC_RMID));
	for (int i = 0; i < 2 * WAITERS; i++) {
		int error = (int)(intptr_t)t_join(threads[i]);

		/* whoever came too late to wait finds nothing there */
		good += error == EIDRM || error == EINVAL;
	}
	return good == 2 * WAITERS;
}

static bool refused(void)
{
	int ends[2];
	bool good;

	T_OK(pipe(ends));
	good = fsync(ends[1]) == -1 && errno == EINVAL;
	close(ends[0]);
	close(ends[1]);
	good &= fsync(ends[1]) == -1 && errno == EBADF;
	good &= flock(ends[1], LOCK_EX) == -1 && errno == EBADF;
	good &= open("nowhere/fifo", O_RDONLY) == -1 && errno == ENOENT;
	return good;
}

int main(void)
{
	int rounds = t_rounds(5), good[3] = {0};

	load_start(10);
	for (int i = 0; i < rounds; i++) {
		good[0] += deadlock();
		good[1] += removed();
		good[2] += refused();
	}
	unlink(path);
	t_check("locks across: EDEADLK", good[0] == rounds);
	t_check("queue and semaphores removed: EIDRM", good[1] == rounds);
	t_check("what cannot be waited for is refused", good[2] == rounds);
	load_stop();
	return t_done();
}
