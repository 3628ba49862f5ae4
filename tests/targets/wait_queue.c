/* SPDX-License-Identifier: MIT */
/* Producers and consumers share a small bounded queue; nothing is lost, doubled or out of order. */
#include "../helpers.h"

#define SLOTS 8
#define SIDES 6
#define ITEMS 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static int slots[SLOTS], head, tail, disorder;
static long seen[SIDES];

static void put(int item)
{
	pthread_mutex_lock(&lock);
	while (head - tail == SLOTS)
		pthread_cond_wait(&not_full, &lock);
	slots[head++ % SLOTS] = item;
	pthread_cond_signal(&not_empty);
	pthread_mutex_unlock(&lock);
}

static int get(void)
{
	int item;

	pthread_mutex_lock(&lock);
	while (head == tail)
		pthread_cond_wait(&not_empty, &lock);
	item = slots[tail++ % SLOTS];
	if (item >= 0 && seen[item / ITEMS]++ != item % ITEMS)
		disorder++;
	pthread_cond_signal(&not_full);
	pthread_mutex_unlock(&lock);
	return item;
}

static void *produce(void *arg)
{
	for (int i = 0; i < ITEMS; i++)
		put((intptr_t)arg * ITEMS + i);
	return NULL;
}

static void *consume(void *arg T_UNUSED)
{
	intptr_t sum = 0;
	int item;

	while ((item = get()) >= 0)
		sum += item;
	return (void *)sum;
}

int main(void)
{
	pthread_t producers[SIDES], consumers[SIDES];
	long sum = 0;

	for (intptr_t i = 0; i < SIDES; i++) {
		consumers[i] = t_thread(consume, NULL);
		producers[i] = t_thread(produce, (void *)i);
	}
	for (int i = 0; i < SIDES; i++)
		t_join(producers[i]);
	for (int i = 0; i < SIDES; i++)
		put(-1);
	for (int i = 0; i < SIDES; i++)
		sum += (intptr_t)t_join(consumers[i]);
	t_say("sum %ld disorder %d left %d", sum, disorder, head - tail);
	return t_done();
}
