/* SPDX-License-Identifier: MIT */
/* A change of user ids reaches every thread and interrupts none of them. */
#include "../helpers.h"

static int ends[2];
static sem_t sem;

static void *reads(void *arg T_UNUSED)
{
	char byte;

	return (void *)(intptr_t)read(ends[0], &byte, 1);
}

static void *waits(void *arg T_UNUSED)
{
	return (void *)(intptr_t)(sem_wait(&sem) == 0);
}

static void *makes_files(void *arg)
{
	int fd, made = 0;

	for (int i = 0; i < 5; i++) {
		fd = open(arg, O_CREAT | O_EXCL | O_RDWR, 0600);
		made += fd >= 0;
		if (fd >= 0) {
			fsync(fd);
			close(fd);
			unlink(arg);
		}
	}
	return (void *)(intptr_t)made;
}

/* Whoever makes a call for a thread has the rights that the thread has, then and now. */
static void drop_and_regain(void)
{
	pthread_t reader = t_thread(reads, NULL);

	t_check("may write here", t_join(t_thread(makes_files, "one")) == (void *)5);
	if (geteuid() == 0) {
		T_OK(seteuid(65534));
		t_check("another may not", t_join(t_thread(makes_files, "two")) == NULL);
		T_OK(seteuid(0));
		t_check("root may again", t_join(t_thread(makes_files, "three")) == (void *)5);
	}
	T_OK(write(ends[1], "5", 1));
	t_join(reader);
}

int main(void)
{
	pthread_t readers[4], waiters[4];
	int good = 0;

	T_OK(pipe(ends));
	sem_init(&sem, 0, 0);
	for (int i = 0; i < 4; i++) {
		readers[i] = t_thread(reads, NULL);
		waiters[i] = t_thread(waits, NULL);
	}
	t_settle();
	t_say("setgid %d setuid %d", setgid(getgid()), setuid(getuid()));
	t_say("setresuid %d", setresuid(-1, geteuid(), -1));
	T_OK(write(ends[1], "1234", 4));
	for (int i = 0; i < 4; i++)
		sem_post(&sem);
	for (int i = 0; i < 4; i++)
		good += (int)(intptr_t)t_join(readers[i]) + (int)(intptr_t)t_join(waiters[i]);
	t_say("good %d", good);
	drop_and_regain();
	return t_done();
}
