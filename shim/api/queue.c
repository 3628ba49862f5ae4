/* SPDX-License-Identifier: MIT */
/* Queues: first in, first out, with a bound that makes who puts too much wait. */
#include <stdlib.h>

#include "../copatch.h"
#include "wait.h"

struct item {
	struct item *next;
	void *value;
};

struct copatch_queue {
	pthread_mutex_t lock;
	pthread_cond_t put, got;
	size_t room, length; /* room 0: no bound */
	struct item *first, **end;
};

struct copatch_queue *copatch_queue_new(size_t room)
{
	struct copatch_queue *q = calloc(1, sizeof(*q));
	int err;

	if (!q)
		return NULL;
	err = cond_init(&q->put);
	if (!err) {
		err = cond_init(&q->got);
		if (err)
			pthread_cond_destroy(&q->put);
	}
	if (err) {
		free(q);
		errno = -err;
		return NULL;
	}
	pthread_mutex_init(&q->lock, NULL);
	q->room = room;
	q->end = &q->first;
	return q;
}

static bool full(const struct copatch_queue *q)
{
	return q->room && q->length == q->room;
}

static int put_at_end(struct copatch_queue *q, void *value, const struct deadline *d)
{
	struct item *item;
	LOCKED(&q->lock);

	while (full(q))
		if (cond_wait(&q->got, &q->lock, d) == -ETIMEDOUT && full(q))
			return -ETIMEDOUT;
	/* Nothing that may be unwound follows. */
	item = malloc(sizeof(*item));
	if (!item)
		return -ENOMEM;
	*item = (struct item){NULL, value};
	*q->end = item;
	q->end = &item->next;
	q->length++;
	pthread_cond_signal(&q->put);
	return 0;
}

int copatch_queue_put(struct copatch_queue *q, void *value, long timeout)
{
	struct deadline d;

	if (!q)
		return -EINVAL;
	deadline_set(&d, timeout);
	return put_at_end(q, value, &d);
}

static int take_first(struct copatch_queue *q, struct item **item, const struct deadline *d)
{
	LOCKED(&q->lock);

	while (!q->length)
		if (cond_wait(&q->put, &q->lock, d) == -ETIMEDOUT && !q->length)
			return -ETIMEDOUT;
	*item = q->first;
	q->first = q->first->next;
	if (!q->first)
		q->end = &q->first;
	q->length--;
	pthread_cond_signal(&q->got);
	return 0;
}

int copatch_queue_get(struct copatch_queue *q, void **value, long timeout)
{
	struct deadline d;
	struct item *item;
	int err;

	if (!q)
		return -EINVAL;
	deadline_set(&d, timeout);
	err = take_first(q, &item, &d);
	if (err)
		return err;
	if (value)
		*value = item->value;
	free(item);
	return 0;
}

size_t copatch_queue_length(struct copatch_queue *q)
{
	if (!q)
		return 0;
	LOCKED(&q->lock);

	return q->length;
}

void copatch_queue_free(struct copatch_queue *q)
{
	if (!q)
		return;
	while (q->first) {
		struct item *item = q->first;

		q->first = item->next;
		free(item);
	}
	pthread_cond_destroy(&q->put);
	pthread_cond_destroy(&q->got);
	pthread_mutex_destroy(&q->lock);
	free(q);
}
