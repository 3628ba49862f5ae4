/* SPDX-License-Identifier: MIT */
/*
 * N threads in loops of usleep(1 to 10 ms), or so many times as long: sleeps a second, CPU time of
 * each, and how late they wake.
 *
 * usage: sleepers [THREADS [SECONDS [TIMES]]]
 */
#include "bench.h"

#define SAMPLES_IN_ALL 4000000
/* So many fit into the memory of most machines only with the least of stacks. */
#define CROWD 100000
#define LEAST 16384

struct sleeper {
	pthread_t thread;
	uint64_t sleeps;
	uint32_t seed;
	long samples;
	uint32_t *late_ns;
};

static long room, times = 1, to_begin;
static uint64_t length_ns, begin_at, end_at, cpu_begin, cpu_end, end_seen;
static int started;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t go = PTHREAD_COND_INITIALIZER;

static void *sleep_often(void *arg)
{
	struct sleeper *s = arg;

	pthread_mutex_lock(&lock);
	while (!started)
		pthread_cond_wait(&go, &lock);
	/*
	 * A million take seconds to fall asleep for the first time, and wake late meanwhile.
	 * Natively ten thousand take longer, since the first ones go on.
	 */
	if (!--to_begin && begin_at == UINT64_MAX)
		begin_at = now_ns() + 200000000;
	pthread_mutex_unlock(&lock);

	for (;;) {
		uint64_t begin, now, late;
		uint32_t us;

		s->seed = s->seed * 1664525u + 1013904223u;
		us = (1000 + (s->seed >> 8) % 9001) * times;
		begin = now_ns();
		if (usleep(us) && errno != EINTR)
			die("usleep", errno);
		now = now_ns();
		late = now - begin;
		if (late < us * 1000ul) {
			fprintf(stderr, "sleepers: woke %lu ns early\n", us * 1000ul - late);
			exit(1);
		}
		late -= us * 1000ul;
		if (now < begin_at)
			continue;
		/*
		 * The sleepers keep the time themselves. A timekeeper of its own would have to be
		 * scheduled among ten thousand others, and natively waits for minutes.
		 */
		if (now >= end_at || !__atomic_load_n(&cpu_begin, __ATOMIC_RELAXED)) {
			pthread_mutex_lock(&lock);
			if (!cpu_begin) {
				cpu_begin = cpu_ns();
				begin_at = now;
				end_at = now + length_ns;
			} else if (now >= end_at && !cpu_end) {
				cpu_end = cpu_ns();
				end_seen = now;
			}
			pthread_mutex_unlock(&lock);
			if (now >= end_at)
				return NULL;
		}
		s->sleeps++;
		if (s->samples < room)
			s->late_ns[s->samples++] = late > UINT32_MAX ? UINT32_MAX : late;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 10000, kept = 0;
	double seconds = argc > 2 ? atof(argv[2]) : 2;
	uint64_t sleeps = 0;
	struct sleeper *s;
	uint32_t *late;

	times = argc > 3 ? atol(argv[3]) : 1;
	if (n < 1 || n > SAMPLES_IN_ALL || seconds <= 0 || times < 1 || times > 10000) {
		fprintf(stderr, "usage: sleepers [THREADS [SECONDS [TIMES]]]\n");
		return 2;
	}
	length_ns = (uint64_t)(seconds * 1e9);
	room = SAMPLES_IN_ALL / n;
	late = malloc(n * room * sizeof(*late));
	s = calloc(n, sizeof(*s));
	if (!late || !s)
		die("malloc", ENOMEM);
	for (long i = 0; i < n; i++) {
		s[i].seed = i + 1;
		s[i].late_ns = late + i * room;
		start(&s[i].thread, n < CROWD ? SMALL_STACK : LEAST, sleep_often, &s[i]);
	}
	pthread_mutex_lock(&lock);
	begin_at = n < CROWD ? now_ns() + 200000000 : UINT64_MAX;
	end_at = UINT64_MAX;
	to_begin = n;
	started = 1;
	pthread_cond_broadcast(&go);
	pthread_mutex_unlock(&lock);
	for (long i = 0; i < n; i++)
		pthread_join(s[i].thread, NULL);

	for (long i = 0; i < n; i++) {
		memmove(late + kept, s[i].late_ns, s[i].samples * sizeof(*late));
		kept += s[i].samples;
		sleeps += s[i].sleeps;
	}
	if (!kept || !sleeps)
		die("no sleep was measured", 0);
	qsort(late, kept, sizeof(*late), compare);
	result("per_second", sleeps / ((end_seen - begin_at) / 1e9));
	result("cpu_us", (cpu_end - cpu_begin) / 1e3 / sleeps);
	result("late_p50_us", late[kept / 2] / 1e3);
	result("late_p99_us", late[kept - 1 - kept / 100] / 1e3);
	return 0;
}
