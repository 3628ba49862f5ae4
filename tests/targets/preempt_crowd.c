/* SPDX-License-Identifier: MIT */
/* TIMEOUT: 60 */
/* Threads that lock and unlock, all the same lock and hardly anything else, get on. */
#include "../helpers.h"

#define THREADS 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t end;
static unsigned long changes, entered;
static int owner = -1, inside, together;

static void *locks(void *arg)
{
	int self = (int)(intptr_t)arg;

	do {
		for (int i = 0; i < 100; i++) {
			pthread_mutex_lock(&lock);
			together += inside++;
			changes += owner != self;
			owner = self;
			entered++;
			for (volatile int work = 0; work < 100; work++)
				;
			inside--;
			pthread_mutex_unlock(&lock);
		}
	} while (t_now_ms() < end);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	struct timespec used;

	end = t_now_ms() + 1000;
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(locks, (void *)i);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	t_say("together %d", together);
	t_check("the lock was had often", entered >= 1000);
	/* for servers/locking */
	T_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used));
	fprintf(stderr, "%lu changes in %ld ms\n", changes,
		(long)(used.tv_sec * 1000 + used.tv_nsec / 1000000));
	return t_done();
}
