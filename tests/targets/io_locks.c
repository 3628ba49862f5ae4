/* SPDX-License-Identifier: MIT */
/* File locks of every kind make threads and processes wait for each other, and not the rest. */
#include "../helpers.h"

#include <sys/file.h>

static int ticks;

static void *flocks(void *arg T_UNUSED)
{
	int fd = T_OK(open("file", O_RDWR));
	int64_t start = t_now_ms();

	T_OK(flock(fd, LOCK_EX));
	close(fd);
	return (void *)(intptr_t)(t_now_ms() - start >= 80);
}

static void *ofd_locks(void *arg T_UNUSED)
{
	struct flock lock = {.l_type = F_WRLCK};
	int fd = T_OK(open("file", O_RDWR));
	int64_t start = t_now_ms();

	T_OK(fcntl(fd, F_OFD_SETLKW, &lock));
	close(fd);
	return (void *)(intptr_t)(t_now_ms() - start >= 80);
}

static void *process_locks(void *arg)
{
	int fd = T_OK(open("other", O_RDWR));
	int64_t start = t_now_ms();

	T_OK(arg ? lockf(fd, F_LOCK, 0) : fcntl(fd, F_SETLKW, &(struct flock){.l_type = F_WRLCK}));
	return (void *)(intptr_t)(t_now_ms() - start >= 80);
}

static void *counts(void *arg T_UNUSED)
{
	for (int i = 0; i < 20; i++) {
		t_nap(5);
		ticks++;
	}
	return NULL;
}

int main(void)
{
	int fd = T_OK(open("file", O_RDWR | O_CREAT, 0600)), ends[2], before;
	struct flock lock = {.l_type = F_WRLCK};
	pthread_t thread, counter = t_thread(counts, NULL);
	pid_t child;
	char byte;

	T_OK(flock(fd, LOCK_EX));
	before = ticks;
	thread = t_thread(flocks, NULL);
	t_nap(250);
	t_check("others run meanwhile", ticks > before);
	t_check("LOCK_NB is EWOULDBLOCK",
		flock(open("file", O_RDWR), LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	T_OK(flock(fd, LOCK_UN));
	t_check("flock waited", t_join(thread) != NULL);
	T_OK(fcntl(fd, F_OFD_SETLK, &lock));
	thread = t_thread(ofd_locks, NULL);
	t_nap(250);
	lock.l_type = F_UNLCK;
	T_OK(fcntl(fd, F_OFD_SETLK, &lock));
	t_check("F_OFD_SETLKW waited", t_join(thread) != NULL);

	close(T_OK(open("other", O_RDWR | O_CREAT, 0600)));
	for (intptr_t how = 0; how < 2; how++) {
		T_OK(pipe(ends));
		child = T_OK(fork());
		if (child == 0) {
			fd = T_OK(open("other", O_RDWR));
			lock.l_type = F_WRLCK;
			T_OK(fcntl(fd, F_SETLK, &lock));
			T_OK(write(ends[1], "x", 1));
			t_nap(300);
			_exit(0);
		}
		T_OK(read(ends[0], &byte, 1));
		thread = t_thread(process_locks, (void *)how);
		t_check("a process's lock waited", t_join(thread) != NULL);
		t_say("child %d", t_reap(child));
		fd = T_OK(open("other", O_RDWR));
		lock.l_type = F_UNLCK;
		T_OK(fcntl(fd, F_SETLK, &lock));
	}
	t_join(counter);
	return t_done();
}
