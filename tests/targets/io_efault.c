/* SPDX-License-Identifier: MIT */
/* Pointers to nowhere give EFAULT from every family of calls, and the program goes on. */
#include "../helpers.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/uio.h>

#define FAULT(call) t_say("%s: %d", #call, (int)((call) == -1 && errno == EFAULT))

/* Volatile, so that the compiler does not judge the pointer. */
static void *volatile bad = (void *)16;

static void *all(void *arg T_UNUSED)
{
	struct iovec part = {bad, 4};
	int ends[2], pair[2];
	struct sockaddr_in address;
	int listener = t_listener(&address), client;
	char *readonly;
	pid_t child;

	T_OK(pipe(ends));
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	T_OK(write(ends[1], "abcdefgh", 8));
	T_OK(write(pair[1], "abcdefgh", 8));
	client = t_connect(&address);

	FAULT(read(ends[0], bad, 4));
	FAULT(write(ends[1], bad, 4));
	FAULT(readv(ends[0], &part, 1));
	FAULT(readv(ends[0], bad, 1));
	FAULT(writev(ends[1], &part, 1));
	FAULT(recv(pair[0], bad, 4, 0));
	FAULT(send(pair[0], bad, 4, 0));
	FAULT(recvmsg(pair[0], bad, 0));
	FAULT(sendmsg(pair[0], bad, 0));
	FAULT(accept(listener, bad, bad));
	FAULT(connect(client, bad, sizeof(address)));
	FAULT(poll(bad, 1, 10));
	FAULT(select(1, bad, NULL, NULL, NULL));
	FAULT(syscall(SYS_futex, bad, 128, 0, NULL, NULL, 0));
	FAULT(syscall(SYS_nanosleep, bad, NULL));
	FAULT(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad, NULL, 8));
	FAULT(syscall(SYS_rt_sigaction, SIGUSR1, bad, NULL, 8));
	FAULT(syscall(SYS_rt_sigtimedwait, bad, NULL, NULL, 8));
	child = T_OK(fork());
	if (child == 0)
		_exit(0);
	FAULT(syscall(SYS_wait4, child, bad, 0, NULL));
	FAULT(pipe(bad));
	FAULT(open(bad, O_RDONLY));

	readonly = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FAULT(read(ends[0], readonly, 4));
	FAULT(recv(pair[0], readonly, 4, 0));
	return NULL;
}

int main(void)
{
	t_join(t_thread(all, NULL));
	return t_done();
}
