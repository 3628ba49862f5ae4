/* SPDX-License-Identifier: MIT */
/* LONG: 100 60 */
/* A file system fills up under eight writers: ENOSPC, and each file holds what was accepted. */
#include "../load.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define WRITERS 8
#define BLOCK   5000

/* A tiny file system of our own, where we may have one; else the device that is always full. */
static bool tiny(void)
{
	uid_t user = geteuid();

	if (unshare(user ? CLONE_NEWUSER | CLONE_NEWNS : CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mkdir("full", 0700) ||
	    mount("none", "full", "tmpfs", 0, "size=256k"))
		return false;
	T_OK(chdir("full"));
	return true;
}

/* Writes until there is no room; says whether the file is what the calls have said. */
static void *fills(void *arg)
{
	char name[32], block[BLOCK], back[BLOCK];
	int number = (int)(intptr_t)arg, fd, error = 0;
	off_t size = 0, at = 0;
	bool good;
	ssize_t n;

	snprintf(name, sizeof(name), "file%d", number);
	memset(block, 'a' + number, sizeof(block));
	fd = T_OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
	while ((n = write(fd, block, sizeof(block))) > 0) {
		size += n;
		if (fsync(fd))
			error = errno;
	}
	good = n == -1 && errno == ENOSPC && !error && lseek(fd, 0, SEEK_END) == size;
	while ((n = pread(fd, back, sizeof(back), at)) > 0) {
		good &= !memcmp(back, block, (size_t)n);
		at += n;
	}
	good &= at == size;
	close(fd);
	unlink(name);
	return (void *)(intptr_t)good;
}

static bool device(void)
{
	FILE *file = fopen("/dev/full", "w");
	bool good = file && fputs("text", file) >= 0;

	return good && fclose(file) == EOF && errno == ENOSPC;
}

int main(void)
{
	int rounds = t_rounds(5), filled = 0, refused = 0;
	bool mounted = tiny();

	if (!mounted)
		fprintf(stderr, "no file system of our own: %s\n", strerror(errno));
	load_start(10);
	for (int i = 0; i < rounds; i++) {
		pthread_t threads[WRITERS];

		for (intptr_t k = 0; mounted && k < WRITERS; k++)
			threads[k] = t_thread(fills, (void *)k);
		for (int k = 0; k < WRITERS; k++)
			filled += mounted ? (int)(intptr_t)t_join(threads[k]) : 1;
		refused += device();
	}
	t_check("full, and nothing lost", filled == rounds * WRITERS);
	t_check("stdio tells too", refused == rounds);
	load_stop();
	return t_done();
}
