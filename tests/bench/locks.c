/* SPDX-License-Identifier: MIT */
/*
 * A mutex that nobody contends, a mutex that 16 threads contend, and a bounded queue.
 *
 * usage: locks alone|crowd|queue1|queue64 [SECONDS]
 */
#include "bench.h"

#define CROWD   16
#define HELD_NS 200
#define SLOTS   64
#define BATCH   10000
#define BATCHES 100000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static uint64_t done, deadline, spins;
static uint64_t put_sum, got_sum;
static int slots = 1, head, used, producers;
static uint64_t slot[SLOTS];

static void spin(uint64_t n)
{
	while (n--)
		__asm__ volatile("" ::: "memory");
}

/* How many turns of spin() take HELD_NS: the least of many short ones, for most are disturbed. */
static void calibrate(void)
{
	uint64_t n = 1u << 16, best = UINT64_MAX;

	for (int i = 0; i < 400; i++) {
		uint64_t t = now_ns();

		spin(n);
		t = now_ns() - t;
		if (t < best)
			best = t;
	}
	spins = n * HELD_NS / (best ? best : 1);
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/*
 * A lock that nobody else wants makes no call, and takes as long as any other instructions: what
 * a tenth of the batches keep within is its time, and whatever is above it has come in between.
 */
static void alone(void)
{
	static uint64_t batch[BATCHES];
	size_t n = 0;

	while (n < BATCHES && now_ns() < deadline) {
		uint64_t t = now_ns();

		for (int i = 0; i < BATCH; i++) {
			pthread_mutex_lock(&lock);
			done++;
			pthread_mutex_unlock(&lock);
		}
		batch[n++] = now_ns() - t;
	}
	qsort(batch, n, sizeof(batch[0]), by_size);
	result("tenth_ns", (double)batch[n / 10] / BATCH);
}

static void *crowd(void *arg)
{
	for (;;) {
		for (int i = 0; i < 100; i++) {
			pthread_mutex_lock(&lock);
			done++;
			spin(spins);
			pthread_mutex_unlock(&lock);
		}
		if (now_ns() > deadline)
			return arg;
	}
}

static void *produce(void *arg)
{
	for (uint64_t i = 1;; i++) {
		if (!(i % 64) && now_ns() > deadline)
			break;
		pthread_mutex_lock(&lock);
		while (used == slots)
			pthread_cond_wait(&not_full, &lock);
		slot[(head + used++) % slots] = i;
		put_sum += i;
		pthread_cond_signal(&not_empty);
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	producers--;
	pthread_cond_broadcast(&not_empty);
	pthread_mutex_unlock(&lock);
	return arg;
}

static void *consume(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		while (!used && producers)
			pthread_cond_wait(&not_empty, &lock);
		if (!used)
			break;
		got_sum += slot[head];
		head = (head + 1) % slots;
		used--;
		done++;
		pthread_cond_signal(&not_full);
		pthread_mutex_unlock(&lock);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return arg;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "alone";
	double seconds = argc > 2 ? atof(argv[2]) : 0.3;
	pthread_t thread[CROWD];
	uint64_t begin, cpu;
	int threads = 0;

	calibrate();
	cpu = cpu_ns();
	begin = now_ns();
	deadline = begin + (uint64_t)(seconds * 1e9);
	if (!strcmp(kind, "alone")) {
		alone();
	} else if (!strcmp(kind, "crowd")) {
		for (; threads < CROWD; threads++)
			start(&thread[threads], SMALL_STACK, crowd, NULL);
	} else if (!strcmp(kind, "queue1") || !strcmp(kind, "queue64")) {
		slots = atoi(kind + 5);
		producers = slots == 1 ? 1 : 4;
		for (int i = producers; i; i--) {
			start(&thread[threads++], SMALL_STACK, consume, NULL);
			start(&thread[threads++], SMALL_STACK, produce, NULL);
		}
	} else {
		fprintf(stderr, "usage: locks alone|crowd|queue1|queue64 [SECONDS]\n");
		return 2;
	}
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	if (put_sum != got_sum || used)
		die("the queue lost an item", 0);
	result("cpu_ns", (double)(cpu_ns() - cpu) / done);
	result("ns", (double)(now_ns() - begin) / done);
	return 0;
}
