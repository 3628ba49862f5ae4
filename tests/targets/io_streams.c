/* SPDX-License-Identifier: MIT */
/* All stream calls block until data comes, on pipes, FIFOs, socket pairs and TCP. */
#include "../helpers.h"

#include <sys/stat.h>
#include <sys/uio.h>

static int ends[2];
static bool is_socket;
static sem_t heard;

static ssize_t get(int how, char *buffer)
{
	struct iovec parts[2] = {{buffer, 3}, {buffer + 3, 61}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	switch (how) {
	case 0:
		return read(ends[0], buffer, 64);
	case 1:
		return readv(ends[0], parts, 2);
	case 2:
		return preadv2(ends[0], parts, 2, -1, 0);
	case 3:
		return recv(ends[0], buffer, 64, 0);
	case 4:
		return recvfrom(ends[0], buffer, 64, 0, NULL, NULL);
	default:
		return recvmsg(ends[0], &message, 0);
	}
}

static ssize_t put(int how, char *text, size_t size)
{
	struct iovec parts[2] = {{text, 2}, {text + 2, size - 2}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	switch (how) {
	case 0:
		return write(ends[1], text, size);
	case 1:
		return writev(ends[1], parts, 2);
	case 2:
		return pwritev2(ends[1], parts, 2, -1, 0);
	case 3:
		return send(ends[1], text, size, 0);
	case 4:
		return sendto(ends[1], text, size, 0, NULL, 0);
	default:
		return sendmsg(ends[1], &message, 0);
	}
}

static void *reads(void *arg T_UNUSED)
{
	char buffer[64];

	for (int how = 0; how < (is_socket ? 6 : 3); how++) {
		int n = get(how, buffer);

		sem_post(&heard);
		if (n < 0)
			t_say("call %d failed: %s", how, strerror(errno));
		else
			t_say("call %d got %.*s", how, n, buffer);
	}
	t_say("at the end %zd", get(0, buffer));
	return NULL;
}

static void *opens(void *arg)
{
	return (void *)(intptr_t)T_OK(open("fifo", (intptr_t)arg));
}

static void talk(const char *name, bool socket)
{
	pthread_t reader;

	t_say("%s", name);
	is_socket = socket;
	reader = t_thread(reads, NULL);
	for (int how = 0; how < (socket ? 6 : 3); how++) {
		char text[32];
		int size = snprintf(text, sizeof(text), "message %d", how);

		t_nap(20);
		if (put(how, text, size) != size)
			t_say("short write");
		sem_wait(&heard); /* two messages in one read are right, too */
	}
	t_nap(20);
	close(ends[1]);
	t_join(reader);
	close(ends[0]);
}

int main(void)
{
	pthread_t opener;

	T_OK(pipe(ends));
	talk("pipe", false);
	T_OK(mkfifo("fifo", 0600));
	opener = t_thread(opens, (void *)O_RDONLY);
	t_settle();
	ends[1] = T_OK(open("fifo", O_WRONLY));
	ends[0] = (intptr_t)t_join(opener);
	talk("fifo", false);
	opener = t_thread(opens, (void *)O_WRONLY);
	t_settle();
	ends[0] = T_OK(open("fifo", O_RDONLY));
	ends[1] = (intptr_t)t_join(opener);
	talk("fifo, writer first", false);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	talk("socketpair", true);
	T_OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	talk("seqpacket", true);
	t_tcp_pair(ends);
	talk("tcp", true);
	return t_done();
}
