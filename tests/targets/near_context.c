/* SPDX-License-Identifier: MIT */
/* Stacks of the program's own: swapcontext within threads, and contexts that change threads. */
#include "../helpers.h"

#include <ucontext.h>

#define THREADS  6
#define CONTEXTS 5
#define ROUNDS   20
#define STACK    (64 << 10)

struct job {
	ucontext_t context;
	ucontext_t *back; /* of whoever runs it at the moment */
	int id, sum, waits;
	char stack[STACK] __attribute__((aligned(16)));
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *queue[THREADS * CONTEXTS];
static int queued, left;
static __thread struct job *running;

/* Blocks in system calls on its own stack, now and then, and gives way to other contexts. */
static void body(int id)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct job *self = running;
		char byte = (char)i;
		int pair[2];

		T_OK(pipe(pair));
		T_OK(write(pair[1], &byte, 1));
		T_OK(read(pair[0], &byte, 1));
		close(pair[0]);
		close(pair[1]);
		if (i % 8 == id % 8) {
			usleep(1000);
			self->waits++;
		}
		self->sum += byte;
		swapcontext(&self->context, self->back);
	}
}

static struct job *take(void)
{
	struct job *job = NULL;

	pthread_mutex_lock(&lock);
	if (queued)
		job = queue[--queued];
	pthread_mutex_unlock(&lock);
	return job;
}

static void put(struct job *job)
{
	pthread_mutex_lock(&lock);
	/* At the front: the next thread that asks gets an older one. */
	memmove(queue + 1, queue, (size_t)queued * sizeof(*queue));
	queue[0] = job;
	queued++;
	pthread_mutex_unlock(&lock);
}

static void *works(void *arg T_UNUSED)
{
	ucontext_t here;

	while (__atomic_load_n(&left, __ATOMIC_SEQ_CST)) {
		struct job *job = take();

		if (!job) {
			sched_yield();
			continue;
		}
		job->back = &here;
		job->context.uc_link = &here;
		running = job;
		swapcontext(&here, &job->context);
		running = NULL;
		if (job->sum == ROUNDS * (ROUNDS - 1) / 2)
			__atomic_sub_fetch(&left, 1, __ATOMIC_SEQ_CST);
		else
			put(job);
	}
	return NULL;
}

static void prepare(struct job *job, int id)
{
	T_OK(getcontext(&job->context));
	job->context.uc_stack.ss_sp = job->stack;
	job->context.uc_stack.ss_size = STACK;
	makecontext(&job->context, (void (*)(void))body, 1, id);
	put(job);
}

int main(void)
{
	static struct job jobs[THREADS * CONTEXTS];
	static pthread_t threads[THREADS];
	static int sum, waits;

	left = T_COUNT(jobs);
	for (size_t i = 0; i < T_COUNT(jobs); i++)
		prepare(&jobs[i], (int)i);
	for (int i = 0; i < THREADS; i++)
		threads[i] = t_thread(works, NULL);
	for (int i = 0; i < THREADS; i++)
		t_join(threads[i]);
	for (size_t i = 0; i < T_COUNT(jobs); i++) {
		sum += jobs[i].sum;
		waits += jobs[i].waits;
	}
	t_say("%d contexts, sum %d, waits %d", (int)T_COUNT(jobs), sum, waits);
	return t_done();
}
