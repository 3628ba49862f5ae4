/* SPDX-License-Identifier: MIT */
/* Several threads accept on one listener and answer; every client is served once. */
#include "../helpers.h"

#define SERVERS 5
#define CLIENTS 60

static struct sockaddr_in address;
static int listener;

static void *serve(void *arg T_UNUSED)
{
	intptr_t served = 0;

	for (;;) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		int fd = accept4(listener, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC);
		int number;

		if (fd < 0)
			return (void *)served;
		if (t_read_all(fd, &number, sizeof(number))) {
			number *= 2;
			t_write_all(fd, &number, sizeof(number));
			served += peer.sin_family == AF_INET && peer.sin_port != 0;
		}
		close(fd);
	}
}

static void *client(void *arg)
{
	int fd = t_connect(&address), number = (intptr_t)arg;
	char byte;

	if (number % 5 == 0)
		t_nap(10);
	t_write_all(fd, &number, sizeof(number));
	t_read_all(fd, &number, sizeof(number));
	number -= read(fd, &byte, 1);
	close(fd);
	return (void *)(intptr_t)number;
}

int main(void)
{
	pthread_t servers[SERVERS], clients[CLIENTS];
	long sum = 0, served = 0;

	listener = t_listener(&address);
	for (int i = 0; i < SERVERS; i++)
		servers[i] = t_thread(serve, NULL);
	for (intptr_t i = 0; i < CLIENTS; i++)
		clients[i] = t_thread(client, (void *)i);
	for (int i = 0; i < CLIENTS; i++)
		sum += (intptr_t)t_join(clients[i]);
	T_OK(shutdown(listener, SHUT_RD));
	for (int i = 0; i < SERVERS; i++)
		served += (intptr_t)t_join(servers[i]);
	t_say("sum %ld served %ld", sum, served);
	return t_done();
}
