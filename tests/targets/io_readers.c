/* SPDX-License-Identifier: MIT */
/* Several threads read the same pipe, socket and datagram socket; no byte is lost or doubled. */
#include "../helpers.h"

#define READERS 6
#define ITEMS   3000

static int ends[2];
static unsigned char seen[ITEMS];

static void *reads(void *arg T_UNUSED)
{
	intptr_t count = 0;
	int item;

	while (read(ends[0], &item, sizeof(item)) == sizeof(item) && item >= 0) {
		__atomic_add_fetch(&seen[item], 1, __ATOMIC_SEQ_CST);
		count++;
	}
	return (void *)count;
}

static void share(const char *name)
{
	pthread_t threads[READERS];
	int once = 0, end = -1;
	long count = 0;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < READERS; i++)
		threads[i] = t_thread(reads, NULL);
	for (int i = 0; i < ITEMS; i++) {
		T_OK(write(ends[1], &i, sizeof(i)));
		if (i % 500 == 0)
			t_nap(5);
	}
	for (int i = 0; i < READERS; i++)
		T_OK(write(ends[1], &end, sizeof(end)));
	for (int i = 0; i < READERS; i++)
		count += (intptr_t)t_join(threads[i]);
	for (int i = 0; i < ITEMS; i++)
		once += seen[i] == 1;
	t_say("%s: read %ld, exactly once %d", name, count, once);
}

int main(void)
{
	T_OK(pipe(ends));
	share("pipe");
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	share("unix");
	T_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	share("datagrams");
	return t_done();
}
