/* SPDX-License-Identifier: MIT */
/* Datagram calls block, keep boundaries and addresses, pass descriptors, and work in batches. */
#include "../helpers.h"

#include <sys/uio.h>
#include <sys/un.h>

static int udp[2], local[2];

static void *receives(void *arg)
{
	int fd = *(int *)arg;
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct mmsghdr batch[4];
	struct iovec parts[4];
	char buffers[4][16];
	char small[4];
	int n;

	n = recvfrom(fd, small, sizeof(small), MSG_TRUNC, (struct sockaddr *)&from, &size);
	t_say("truncated from %d: %.4s family %d", n, small, from.ss_family);
	memset(batch, 0, sizeof(batch));
	for (int i = 0; i < 4; i++) {
		parts[i] = (struct iovec){buffers[i], sizeof(buffers[i])};
		batch[i].msg_hdr.msg_iov = &parts[i];
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(fd, batch, 3, 0, NULL);
	t_say("batch of %d", n);
	for (int i = 0; i < n; i++)
		t_say("  %.*s", (int)batch[i].msg_len, buffers[i]);
	/* not more: who is late would take the empty one along */
	n = recvmmsg(fd, batch, 2, MSG_WAITFORONE, NULL);
	t_say("one or more: %d", n >= 1);
	for (; n < 2; n++)
		recv(fd, small, sizeof(small), 0);
	t_say("empty datagram: %zd", recv(fd, small, sizeof(small), 0));
	return NULL;
}

static void talk(const char *name, int pair[2])
{
	static char texts[5][8] = {"alpha", "beta", "gamma", "delta", "epsilon"};
	struct mmsghdr batch[2];
	struct iovec parts[2];
	pthread_t thread;
	int sent;

	t_say("%s", name);
	thread = t_thread(receives, &pair[0]);
	t_nap(30);
	send(pair[1], "long message", 12, 0);
	t_nap(30);
	for (int i = 0; i < 3; i++) {
		send(pair[1], texts[i], strlen(texts[i]), 0);
		t_nap(20);
	}
	memset(batch, 0, sizeof(batch));
	for (int i = 0; i < 2; i++) {
		parts[i] = (struct iovec){texts[3 + i], 5};
		batch[i].msg_hdr.msg_iov = &parts[i];
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	t_nap(30);
	sent = sendmmsg(pair[1], batch, 2, 0);
	t_nap(30);
	send(pair[1], "", 0, 0);
	t_join(thread);
	/* now that the other does not speak */
	t_say("sent %d", sent);
}

static void *receives_fd(void *arg T_UNUSED)
{
	char control[CMSG_SPACE(sizeof(int))], byte, text[8] = "";
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	int fd;

	T_OK(recvmsg(local[0], &message, 0));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	T_OK(read(fd, text, 7));
	t_say("through a passed descriptor: %s", text);
	return NULL;
}

int main(void)
{
	char control[CMSG_SPACE(sizeof(int))], byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	pthread_t thread;
	int ends[2];

	t_udp_pair(udp);
	talk("udp", udp);
	T_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, local));
	talk("unix", local);

	thread = t_thread(receives_fd, NULL);
	T_OK(pipe(ends));
	memset(control, 0, sizeof(control));
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &ends[0], sizeof(int));
	t_nap(30);
	T_OK(sendmsg(local[1], &message, 0));
	t_nap(30);
	T_OK(write(ends[1], "passed", 6));
	t_join(thread);
	return t_done();
}
