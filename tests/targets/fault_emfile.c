/* SPDX-License-Identifier: MIT */
/* LONG: 100 60 */
/* A server runs out of descriptors under load, refuses for a while, and serves everybody after. */
#include "../load.h"

#include <sys/resource.h>

#define PEERS 30
#define LIMIT 80

static struct sockaddr_in address;
static int listener;
static volatile int full;

static void *serves(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char data[64];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		t_write_all(fd, data, (size_t)n);
	close(fd);
	return NULL;
}

/* As real servers do: EMFILE leaves the connection in the backlog; try again in a while. */
static void *accepts(void *arg T_UNUSED)
{
	pthread_t threads[PEERS];

	for (int i = 0; i < PEERS;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0) {
			threads[i++] = t_thread(serves, (void *)(intptr_t)fd);
		} else if (errno == EMFILE) {
			full++;
			t_nap(1);
		} else {
			t_die("accept", __LINE__, errno);
		}
	}
	for (int i = 0; i < PEERS; i++)
		t_join(threads[i]);
	return NULL;
}

static void *asks(void *arg)
{
	char sent[64], got[64] = "";
	int fd = (int)(intptr_t)arg;
	bool good;

	memset(sent, 'a' + fd % 26, sizeof(sent));
	good = t_write_all(fd, sent, sizeof(sent)) && t_read_all(fd, got, sizeof(got)) &&
	       !memcmp(sent, got, sizeof(sent));
	close(fd);
	return (void *)(intptr_t)good;
}

/* The peers' connections are open already when there is not a descriptor left to accept with. */
static int round_of(void)
{
	int peers[PEERS], spare[LIMIT], spares = 0, good = 0;
	pthread_t server, threads[PEERS];

	for (int i = 0; i < PEERS; i++)
		peers[i] = t_connect(&address);
	while ((spare[spares] = dup(0)) >= 0)
		spares++;
	server = t_thread(accepts, NULL);
	for (int i = 0; i < PEERS; i++)
		threads[i] = t_thread(asks, (void *)(intptr_t)peers[i]);
	/* until the server has met it, which a busy machine delays */
	for (int late = 0; late < 500 && !full; late++)
		t_nap(10);
	while (spares)
		close(spare[--spares]);
	for (int i = 0; i < PEERS; i++)
		good += (int)(intptr_t)t_join(threads[i]);
	t_join(server);
	return good;
}

int main(void)
{
	struct rlimit limit = {LIMIT, LIMIT};
	int rounds = t_rounds(5), served = 0, starved = 0;

	/* the loop is made before the table is full, as in any program that has run for a while */
	load_start(10);
	T_OK(setrlimit(RLIMIT_NOFILE, &limit));
	listener = t_listener(&address);
	for (int i = 0; i < rounds; i++) {
		full = 0;
		served += round_of();
		starved += full > 0;
	}
	t_check("everybody was served", served == rounds * PEERS);
	t_check("descriptors ran out each time", starved == rounds);
	load_stop();
	return t_done();
}
