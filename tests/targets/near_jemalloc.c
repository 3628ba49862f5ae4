/* SPDX-License-Identifier: MIT */
/* Another allocator, linked in: blocks go from thread to thread and are freed elsewhere. */
/* LIBS: -l:libjemalloc.so.2 */
#include "../helpers.h"

#include <dlfcn.h>

#ifndef ALLOCATOR
#define ALLOCATOR "libjemalloc"
#endif
#define THREADS 16
#define BLOCKS  2000

static int pipes[THREADS][2];

/* Sends blocks to the next thread, and frees those of the one before once it has looked at them. */
static void *trades(void *arg)
{
	intptr_t id = (intptr_t)arg, wrong = 0;

	for (int i = 0; i < BLOCKS; i++) {
		size_t size = 16 + (size_t)i % 7 * 500;
		unsigned char *block = malloc(size), *got;

		memset(block, (int)id, size);
		if (!t_write_all(pipes[id][1], &block, sizeof(block)) ||
		    !t_read_all(pipes[(id + 1) % THREADS][0], &got, sizeof(got)))
			return (void *)-1;
		wrong += got[size - 1] != (id + 1) % THREADS;
		free(got);
	}
	return (void *)wrong;
}

int main(void)
{
	pthread_t threads[THREADS];
	Dl_info info;
	bool found =
		dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) && strstr(info.dli_fname, ALLOCATOR);

	t_check("malloc is " ALLOCATOR "'s", found);
	for (int i = 0; i < THREADS; i++)
		T_OK(pipe(pipes[i]));
	for (intptr_t i = 0; i < THREADS; i++)
		threads[i] = t_thread(trades, (void *)i);
	for (int i = 0; i < THREADS; i++)
		t_say("thread %d: wrong blocks %ld", i, (long)(intptr_t)t_join(threads[i]));
	return t_done();
}
