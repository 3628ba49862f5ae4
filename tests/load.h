/* SPDX-License-Identifier: MIT */
/* Load: pairs of threads that pass messages over TCP and check each byte while something fails. */
#ifndef T_LOAD_H
#define T_LOAD_H

#include "helpers.h"

#define LOAD_MOST 64
#define LOAD_SIZE 4096

struct load_pair {
	int end[2];
	pthread_t echo, talk;
	long exchanged, wrong;
};

static struct {
	struct load_pair pair[LOAD_MOST];
	int count;
	bool stop;
} load;

/* Signals may end any of these calls: only that is tried again. */
static inline bool load_move(int fd, char *data, size_t size, bool out)
{
	while (size) {
		ssize_t n = out ? send(fd, data, size, MSG_NOSIGNAL) : recv(fd, data, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

static inline void *load_echo(void *arg)
{
	struct load_pair *p = arg;
	char data[LOAD_SIZE];
	ssize_t n;

	while ((n = recv(p->end[1], data, sizeof(data), 0)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || !load_move(p->end[1], data, (size_t)n, true))
			break;
	}
	close(p->end[1]);
	return NULL;
}

static inline void *load_talk(void *arg)
{
	struct load_pair *p = arg;
	uint32_t chance = (uint32_t)(p - load.pair) + 1;
	char sent[LOAD_SIZE], got[LOAD_SIZE];

	do {
		size_t size;

		chance = chance * 1664525 + 1013904223;
		size = (chance >> 8) % LOAD_SIZE + 1;
		for (size_t i = 0; i < size; i++)
			sent[i] = (char)((chance + i * 7) >> 3);
		memset(got, 0, size);
		if (!load_move(p->end[0], sent, size, true) ||
		    !load_move(p->end[0], got, size, false) || memcmp(sent, got, size)) {
			p->wrong++;
			break;
		}
		p->exchanged++;
	} while (!__atomic_load_n(&load.stop, __ATOMIC_RELAXED));
	close(p->end[0]);
	return NULL;
}

static inline void load_start(int count)
{
	load.count = count;
	for (int i = 0; i < count; i++) {
		struct load_pair *p = &load.pair[i];

		t_tcp_pair(p->end);
		p->echo = t_thread(load_echo, p);
		p->talk = t_thread(load_talk, p);
	}
}

/* How many messages have come back since the start. */
static inline long load_exchanged(void)
{
	long sum = 0;

	for (int i = 0; i < load.count; i++)
		sum += __atomic_load_n(&load.pair[i].exchanged, __ATOMIC_RELAXED);
	return sum;
}

/* Says whether each reply has come and was right, and whether every pair had some. */
static inline void load_stop(void)
{
	bool all = true;
	long wrong = 0;

	__atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < load.count; i++) {
		struct load_pair *p = &load.pair[i];

		t_join(p->talk);
		t_join(p->echo);
		wrong += p->wrong;
		all &= p->exchanged > 0;
	}
	fprintf(stderr, "%ld messages\n", load_exchanged());
	t_check("no reply lost or wrong", !wrong);
	t_check("every pair went on", all);
}

#endif
