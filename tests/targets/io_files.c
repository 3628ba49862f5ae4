/* SPDX-License-Identifier: MIT */
/* Threads read, write, seek, sync and map regular files at once; positions and appends hold. */
#include "../helpers.h"

#include <sys/mman.h>
#include <sys/uio.h>

#define THREADS 10
#define BLOCK   4096

static int shared, appended;

static void *work(void *arg)
{
	intptr_t id = (intptr_t)arg;
	char block[BLOCK], back[BLOCK], line[32], name[16];
	struct iovec parts[2] = {{back, 100}, {back + 100, BLOCK - 100}};
	int fd, wrong = 0;

	for (int i = 0; i < 20; i++) {
		off_t place = (i * THREADS + id) * BLOCK;

		memset(block, id * 20 + i, BLOCK);
		wrong += pwrite(shared, block, BLOCK, place) != BLOCK;
		wrong += preadv(shared, parts, 2, place) != BLOCK || memcmp(block, back, BLOCK);
		snprintf(line, sizeof(line), "%02d %02d\n", (int)id, i);
		wrong += write(appended, line, 6) != 6;
	}
	wrong += fsync(shared) != 0 || fdatasync(appended) != 0;
	snprintf(name, sizeof(name), "own.%d", (int)id);
	fd = T_OK(open(name, O_CREAT | O_RDWR, 0600));
	wrong += write(fd, "abcdef", 6) != 6 || lseek(fd, 2, SEEK_SET) != 2;
	wrong += read(fd, back, 10) != 4 || memcmp(back, "cdef", 4) || read(fd, back, 1) != 0;
	close(fd);
	wrong += unlink(name) != 0;
	return (void *)(intptr_t)wrong;
}

int main(void)
{
	pthread_t threads[THREADS];
	int next[THREADS] = {0}, wrong = 0, id, i, lines = 0;
	unsigned char *map;
	FILE *file;

	shared = T_OK(open("shared", O_CREAT | O_RDWR, 0600));
	appended = T_OK(open("appended", O_CREAT | O_RDWR | O_APPEND, 0600));
	for (intptr_t n = 0; n < THREADS; n++)
		threads[n] = t_thread(work, (void *)n);
	for (int n = 0; n < THREADS; n++)
		wrong += (intptr_t)t_join(threads[n]);
	map = mmap(NULL, 200 * BLOCK, PROT_READ, MAP_SHARED, shared, 0);
	for (int n = 0; n < 200; n++)
		wrong += map[n * BLOCK + 77] != (unsigned char)(n % THREADS * 20 + n / THREADS);
	file = fopen("appended", "r");
	while (fscanf(file, "%d %d\n", &id, &i) == 2) {
		wrong += next[id]++ != i;
		lines++;
	}
	t_say("lines %d wrong %d", lines, wrong);
	return t_done();
}
