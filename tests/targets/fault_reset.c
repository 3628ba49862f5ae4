/* SPDX-License-Identifier: MIT */
/* LONG: 100 60 */
/* Peers reset their connections in the middle of replies; the other connections never notice. */
#include "../load.h"

#define PEERS 10

static struct sockaddr_in address;
static int listener;

/* Sends for ever: only the peer's reset ends it. */
static void *reply(void *arg)
{
	static char block[1 << 14];
	int fd = (int)(intptr_t)arg;

	while (send(fd, block, sizeof(block), MSG_NOSIGNAL) > 0)
		;
	fd = errno == ECONNRESET || errno == EPIPE ? close(fd) : -1;
	return (void *)(intptr_t)(fd == 0);
}

static void *ask(void *arg)
{
	struct linger linger = {1, 0};
	size_t want = 1000 * (size_t)(intptr_t)arg;
	int fd = t_connect(&address);
	char data[1000];
	ssize_t n;

	while (want && (n = recv(fd, data, want < sizeof(data) ? want : sizeof(data), 0)) > 0)
		want -= (size_t)n;
	T_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(fd);
	return (void *)(intptr_t)(want == 0);
}

int main(void)
{
	int rounds = t_rounds(5), noticed = 0, got = 0;

	listener = t_listener(&address);
	load_start(10);
	for (int i = 0; i < rounds; i++) {
		pthread_t peers[PEERS], replies[PEERS];

		for (intptr_t k = 0; k < PEERS; k++)
			peers[k] = t_thread(ask, (void *)(k * 20));
		for (int k = 0; k < PEERS; k++) {
			int fd = T_OK(accept(listener, NULL, NULL));

			replies[k] = t_thread(reply, (void *)(intptr_t)fd);
		}
		for (int k = 0; k < PEERS; k++) {
			got += (intptr_t)t_join(peers[k]);
			noticed += (intptr_t)t_join(replies[k]);
		}
	}
	t_check("every reset was noticed", noticed == rounds * PEERS);
	t_check("what came before it was right", got == rounds * PEERS);
	load_stop();
	return t_done();
}
