/* SPDX-License-Identifier: MIT */
/*
 * Hands a token from thread to thread and reports the time of one hand-over.
 *
 * usage: token cond|sem|pipe|ring [SECONDS [THREADS]]
 */
#include "bench.h"
#include <semaphore.h>

struct player {
	struct game *game;
	pthread_t thread;
	int id;
	sem_t turn;
	int in[2];
};

struct game {
	int players;
	long rounds;
	pthread_mutex_t lock;
	pthread_cond_t cond[2];
	int turn;
	struct player *player;
};

static struct player *next_of(struct player *p)
{
	return &p->game->player[(p->id + 1) % p->game->players];
}

static void *play_cond(void *arg)
{
	struct player *p = arg;
	struct game *g = p->game;

	for (long i = 0; i < g->rounds; i++) {
		pthread_mutex_lock(&g->lock);
		while (g->turn != p->id)
			pthread_cond_wait(&g->cond[p->id], &g->lock);
		g->turn = !p->id;
		pthread_cond_signal(&g->cond[!p->id]);
		pthread_mutex_unlock(&g->lock);
	}
	return NULL;
}

static void *play_sem(void *arg)
{
	struct player *p = arg;

	for (long i = 0; i < p->game->rounds; i++) {
		while (sem_wait(&p->turn))
			;
		sem_post(&next_of(p)->turn);
	}
	return NULL;
}

static void *play_pipe(void *arg)
{
	struct player *p = arg;
	char c = 't';

	for (long i = 0; i < p->game->rounds; i++) {
		if (read(p->in[0], &c, 1) != 1 || write(next_of(p)->in[1], &c, 1) != 1)
			die("pipe", errno);
	}
	return NULL;
}

/* Returns the nanoseconds that `rounds` turns of every player took. */
static uint64_t game_run(const char *kind, int players, long rounds)
{
	struct game g = {.players = players, .rounds = rounds};
	void *(*play)(void *) = !strcmp(kind, "cond")   ? play_cond
				: !strcmp(kind, "pipe") ? play_pipe
							: play_sem;
	uint64_t begin;
	char c = 't';

	pthread_mutex_init(&g.lock, NULL);
	pthread_cond_init(&g.cond[0], NULL);
	pthread_cond_init(&g.cond[1], NULL);
	g.turn = -1;
	g.player = calloc(players, sizeof(*g.player));
	if (!g.player)
		die("calloc", ENOMEM);
	for (int i = 0; i < players; i++) {
		struct player *p = &g.player[i];

		p->game = &g;
		p->id = i;
		sem_init(&p->turn, 0, 0);
		if (play == play_pipe && pipe(p->in))
			die("pipe", errno);
	}
	for (int i = 0; i < players; i++)
		start(&g.player[i].thread, SMALL_STACK, play, &g.player[i]);
	usleep(20000); /* all of them wait now */

	begin = now_ns();
	if (play == play_cond) {
		pthread_mutex_lock(&g.lock);
		g.turn = 0;
		pthread_cond_signal(&g.cond[0]);
		pthread_mutex_unlock(&g.lock);
	} else if (play == play_pipe) {
		if (write(g.player[0].in[1], &c, 1) != 1)
			die("write", errno);
	} else {
		sem_post(&g.player[0].turn);
	}
	for (int i = 0; i < players; i++)
		pthread_join(g.player[i].thread, NULL);
	begin = now_ns() - begin;

	for (int i = 0; i < players && play == play_pipe; i++) {
		close(g.player[i].in[0]);
		close(g.player[i].in[1]);
	}
	free(g.player);
	return begin;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "cond";
	double seconds = argc > 2 ? atof(argv[2]) : 0.5;
	int players = argc > 3 ? atoi(argv[3]) : strcmp(kind, "ring") ? 2 : 1000;
	long rounds = players > 2 ? 10 : 1000;
	uint64_t cpu, took;

	if (strcmp(kind, "cond") && strcmp(kind, "sem") && strcmp(kind, "pipe") &&
	    strcmp(kind, "ring")) {
		fprintf(stderr, "usage: token cond|sem|pipe|ring [SECONDS [THREADS]]\n");
		return 2;
	}
	if (players < 2 || (players > 2 && strcmp(kind, "ring")))
		players = 2;

	/* A short game tells how long the measured one may be. */
	took = game_run(kind, players, rounds);
	rounds = (long)(seconds * 1e9 * rounds / (took + 1)) + 1;
	cpu = cpu_ns();
	took = game_run(kind, players, rounds);
	cpu = cpu_ns() - cpu;

	result("ns", (double)took / rounds / players);
	result("cpu_ns", (double)cpu / rounds / players);
	return 0;
}
