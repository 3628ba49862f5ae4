/* SPDX-License-Identifier: MIT */
/* A libev of the program's own: a loop in each thread, with timers, pipes and ev_async. */
/* LIBS: -lev */
#include "../helpers.h"

#include <ev.h>

#define THREADS 8
#define ROUNDS  100

struct ring {
	struct ev_loop *loop;
	struct ev_io in;
	struct ev_timer timer;
	struct ev_async stop;
	int from, to, passed, ticks;
};

static struct ring ring[THREADS];
static pthread_barrier_t ready;

static void on_input(struct ev_loop *loop T_UNUSED, ev_io *io, int events T_UNUSED)
{
	struct ring *r = io->data;
	int token;

	if (read(r->from, &token, sizeof(token)) != sizeof(token))
		return;
	r->passed++;
	token++;
	if (token < THREADS * ROUNDS)
		T_OK(write(r->to, &token, sizeof(token)));
	else
		for (int i = 0; i < THREADS; i++)
			ev_async_send(ring[i].loop, &ring[i].stop);
}

static void on_tick(struct ev_loop *loop T_UNUSED, ev_timer *timer, int events T_UNUSED)
{
	((struct ring *)timer->data)->ticks++;
}

/* Not before its timer has ticked: the token may have gone round sooner. */
static void on_stop(struct ev_loop *loop, ev_async *stop, int events T_UNUSED)
{
	struct ring *r = stop->data;

	if (r->ticks)
		ev_break(loop, EVBREAK_ALL);
	else
		ev_async_send(loop, stop);
}

static void *runs(void *arg)
{
	struct ring *r = arg;

	r->loop = ev_loop_new(EVFLAG_AUTO);
	r->in.data = r->timer.data = r->stop.data = r;
	ev_io_init(&r->in, on_input, r->from, EV_READ);
	ev_io_start(r->loop, &r->in);
	ev_timer_init(&r->timer, on_tick, 0.005, 0.005);
	ev_timer_start(r->loop, &r->timer);
	ev_async_init(&r->stop, on_stop);
	ev_async_start(r->loop, &r->stop);
	pthread_barrier_wait(&ready);
	ev_run(r->loop, 0);
	pthread_barrier_wait(&ready);
	ev_loop_destroy(r->loop);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];
	int token = 0;
	bool ticked = true;

	T_ZERO(pthread_barrier_init(&ready, NULL, THREADS + 1));
	for (int i = 0; i < THREADS; i++) {
		int pair[2];

		T_OK(pipe2(pair, O_NONBLOCK));
		ring[i].from = pair[0];
		ring[(i + THREADS - 1) % THREADS].to = pair[1];
	}
	for (int i = 0; i < THREADS; i++)
		threads[i] = t_thread(runs, &ring[i]);
	pthread_barrier_wait(&ready);
	T_OK(write(ring[THREADS - 1].to, &token, sizeof(token)));
	pthread_barrier_wait(&ready);
	for (int i = 0; i < THREADS; i++) {
		t_join(threads[i]);
		t_say("thread %d passed the token %d times", i, ring[i].passed);
		ticked &= ring[i].ticks > 0;
	}
	t_check("every loop's timer ticked", ticked);
	return t_done();
}
