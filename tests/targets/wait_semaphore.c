/* SPDX-License-Identifier: MIT */
/* Semaphores count, block, time out on both clocks, and can be opened by name. */
#include "../helpers.h"

static sem_t sem, limit;
static int inside, most;

static void *enters(void *arg T_UNUSED)
{
	for (int i = 0; i < 10; i++) {
		int now, old;

		sem_wait(&limit);
		now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		old = __atomic_load_n(&most, __ATOMIC_SEQ_CST);
		if (now > old)
			__atomic_store_n(&most, now, __ATOMIC_SEQ_CST);
		t_nap(1);
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		sem_post(&limit);
	}
	return NULL;
}

static void *posts(void *arg)
{
	t_nap(50);
	sem_post(arg);
	return NULL;
}

int main(void)
{
	pthread_t threads[12], poster;
	struct timespec until;
	char name[64];
	int64_t start;
	sem_t *named;
	int value;

	sem_init(&sem, 0, 2);
	sem_init(&limit, 0, 3);
	t_check("two units", sem_wait(&sem) == 0 && sem_trywait(&sem) == 0);
	t_check("third is EAGAIN", sem_trywait(&sem) == -1 && errno == EAGAIN);
	start = t_now_ms();
	until = t_after(CLOCK_REALTIME, 60);
	t_check("timedwait", sem_timedwait(&sem, &until) == -1 && errno == ETIMEDOUT);
	t_check("after 60 ms", t_took(start, 60));
	start = t_now_ms();
	until = t_after(CLOCK_MONOTONIC, 60);
	t_check("clockwait",
		sem_clockwait(&sem, CLOCK_MONOTONIC, &until) == -1 && errno == ETIMEDOUT);
	t_check("after 60 ms again", t_took(start, 60));
	until.tv_nsec = 1000000000;
	t_check("bad time", sem_timedwait(&sem, &until) == -1 && errno == EINVAL);
	poster = t_thread(posts, &sem);
	until = t_after(CLOCK_REALTIME, 10000);
	t_check("posted in time", sem_timedwait(&sem, &until) == 0);
	t_join(poster);

	for (int i = 0; i < 12; i++)
		threads[i] = t_thread(enters, NULL);
	for (int i = 0; i < 12; i++)
		t_join(threads[i]);
	sem_getvalue(&limit, &value);
	t_check("never more than three inside", most >= 1 && most <= 3);
	t_say("value at the end %d", value);

	snprintf(name, sizeof(name), "/t_semaphore.%d", getpid());
	named = sem_open(name, O_CREAT | O_EXCL, 0600, 0);
	if (named == SEM_FAILED)
		t_die("sem_open", __LINE__, errno);
	sem_unlink(name);
	poster = t_thread(posts, named);
	t_check("named semaphore", sem_wait(named) == 0);
	t_join(poster);
	sem_close(named);
	return t_done();
}
