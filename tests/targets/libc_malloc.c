/* SPDX-License-Identifier: MIT */
/* Fifty threads allocate, fill, resize, pass on and free memory, and find it as they left it. */
#include "../helpers.h"

#define THREADS 50
#define BOXES   64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char *boxes[BOXES];
static int wrong;

static unsigned char *fill(unsigned int size, unsigned char value)
{
	unsigned char *block = malloc(size + 5);

	memcpy(block, &size, 4);
	block[4] = value;
	memset(block + 5, value, size);
	return block;
}

static void verify_and_free(unsigned char *block)
{
	unsigned int size;

	memcpy(&size, block, 4);
	for (unsigned int i = 0; i < size; i++)
		if (block[5 + i] != block[4]) {
			__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
			break;
		}
	free(block);
}

static void *work(void *arg)
{
	unsigned int seed = (intptr_t)arg + 1;

	for (int i = 0; i < 400; i++) {
		unsigned int size = rand_r(&seed) % (i % 40 ? 2000 : 300000);
		unsigned char *block = fill(size, seed), *other;
		int box = rand_r(&seed) % BOXES;

		if (i % 3 == 0)
			block = realloc(block, size + 5 + rand_r(&seed) % 1000);
		pthread_mutex_lock(&lock);
		other = boxes[box];
		boxes[box] = block;
		if (i % 50 == 0)
			sched_yield();
		pthread_mutex_unlock(&lock);
		if (other)
			verify_and_free(other);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	int left = 0;

	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	for (int i = 0; i < BOXES; i++)
		if (boxes[i]) {
			verify_and_free(boxes[i]);
			left++;
		}
	t_say("left %d wrong %d", left, wrong);
	return t_done();
}
