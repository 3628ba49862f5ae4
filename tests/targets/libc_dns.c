/* SPDX-License-Identifier: MIT */
/* LIBS: -lresolv */
/* The resolver asks a DNS server in a thread: over UDP, again after a loss, and over TCP. */
#include "../helpers.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

static struct sockaddr_in address;
static int udp, tcp, tcp_queries, dropped;

/* Answers 10.0.0.N to "nN", "bigN" and "lostN"; gives the size of the answer or 0 for silence. */
static int answer(unsigned char *packet, int size, bool over_tcp)
{
	unsigned char *at = packet + 12;
	char label[64] = "";
	int number, question;

	if (size < 17)
		return 0;
	memcpy(label, at + 1, *at < 63 ? *at : 63);
	number = atoi(label + strcspn(label, "0123456789"));
	while (*at)
		at += *at + 1;
	question = at + 5 - packet;
	packet[2] |= 0x80;
	packet[3] = 0x80;
	memset(packet + 6, 0, 6);
	if (strncmp(label, "lost", 4) == 0 && !__atomic_fetch_add(&dropped, 1, __ATOMIC_SEQ_CST))
		return 0;
	if (strncmp(label, "none", 4) == 0) {
		packet[3] |= 3;
		return question;
	}
	if (strncmp(label, "big", 3) == 0 && !over_tcp) {
		packet[2] |= 2;
		return question;
	}
	packet[7] = 1;
	memcpy(packet + question, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0", 15);
	packet[question + 15] = number;
	return question + 16;
}

static void *serves_udp(void *arg T_UNUSED)
{
	unsigned char packet[1024];
	struct sockaddr_in from;

	for (;;) {
		socklen_t length = sizeof(from);
		int size = recvfrom(udp, packet, 512, 0, (struct sockaddr *)&from, &length);

		if (size <= 1)
			return NULL;
		size = answer(packet, size, false);
		if (size)
			sendto(udp, packet, size, 0, (struct sockaddr *)&from, length);
	}
}

static void *serves_tcp(void *arg T_UNUSED)
{
	int fd;

	while ((fd = accept(tcp, NULL, NULL)) >= 0) {
		unsigned char packet[1026];
		int size;

		while (t_read_all(fd, packet, 2) && (size = packet[0] << 8 | packet[1]) <= 512 &&
		       t_read_all(fd, packet + 2, size)) {
			size = answer(packet + 2, size, true);
			/* before the asker can know */
			__atomic_add_fetch(&tcp_queries, 1, __ATOMIC_SEQ_CST);
			packet[0] = size >> 8;
			packet[1] = size;
			t_write_all(fd, packet, size + 2);
		}
		close(fd);
	}
	return NULL;
}

/* The last byte of the address, or minus the resolver's error. */
static int ask(const char *kind, int number)
{
	struct __res_state state = {0};
	unsigned char reply[1024];
	char name[32];
	int size, error;

	T_OK(res_ninit(&state));
	state.nscount = 1;
	state.nsaddr_list[0] = address;
	state.retrans = 1;
	state.retry = 3;
	state.options = RES_INIT | RES_RECURSE;
	snprintf(name, sizeof(name), "%s%d.example", kind, number);
	size = res_nquery(&state, name, ns_c_in, ns_t_a, reply, sizeof(reply));
	error = state.res_h_errno;
	res_nclose(&state);
	return size > 0 ? reply[size - 1] : -error;
}

static void *asks(void *arg)
{
	int id = (intptr_t)arg, good = 0;

	for (int i = 0; i < 5; i++)
		good += ask("n", id * 5 + i) == id * 5 + i;
	good += ask("big", 100 + id) == 100 + id;
	return (void *)(intptr_t)good;
}

int main(void)
{
	pthread_t server_udp, server_tcp, threads[10];
	int good = 0, port_tries = 0;

	/* both protocols have to share a port */
	do {
		tcp = t_listener(&address);
		udp = T_OK(socket(AF_INET, SOCK_DGRAM, 0));
		if (bind(udp, (struct sockaddr *)&address, sizeof(address)) == 0)
			break;
		close(tcp);
		close(udp);
	} while (++port_tries < 20);
	server_udp = t_thread(serves_udp, NULL);
	server_tcp = t_thread(serves_tcp, NULL);

	t_say("by UDP %d", ask("n", 7));
	t_say("by TCP %d", ask("big", 8));
	t_say("no such name: %d", ask("none", 1) == -HOST_NOT_FOUND);
	t_say("after a loss %d", ask("lost", 9));
	for (intptr_t i = 0; i < 10; i++)
		threads[i] = t_thread(asks, (void *)i);
	for (int i = 0; i < 10; i++)
		good += (intptr_t)t_join(threads[i]);
	t_say("good %d, by TCP %d", good, tcp_queries);
	shutdown(tcp, SHUT_RD);
	sendto(udp, "", 1, 0, (struct sockaddr *)&address, sizeof(address));
	t_join(server_tcp);
	t_join(server_udp);
	return t_done();
}
