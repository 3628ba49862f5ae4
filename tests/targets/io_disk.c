/* SPDX-License-Identifier: MIT */
/* Reads of what is half in memory, and writes that end on the disk, are whole and in their place.
 */
#include "../helpers.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PAGE    4096
#define PAGES   512
#define READERS 8
#define RECORD  1000 /* pages and records have no common boundaries */

static int file;
static unsigned char seen[PAGES * PAGE / RECORD];
static volatile int interrupts;
static volatile bool storm_over;

static char content(size_t at)
{
	return (char)(at / RECORD * 7 + at % 251);
}

static bool right(const char *text, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] != content(at + i))
			return false;
	return true;
}

/* Leaves every other run of pages in memory. */
static void half_cold(void)
{
	T_OK(fsync(file));
	for (int i = 0; i < PAGES; i += 32)
		posix_fadvise(file, (off_t)i * PAGE, 16 * PAGE, POSIX_FADV_DONTNEED);
}

/* Which record it was, or -1. */
static long record_of(const char *text)
{
	for (size_t i = 0; i < T_COUNT(seen); i++)
		if (right(text, i * RECORD, RECORD))
			return (long)i;
	return -1;
}

static void *reads_on(void *arg T_UNUSED)
{
	char text[RECORD];
	long wrong = 0, record;
	ssize_t n;

	while ((n = read(file, text, RECORD)) == RECORD) {
		record = record_of(text);
		wrong += record < 0;
		if (record >= 0)
			__atomic_add_fetch(&seen[record], 1, __ATOMIC_SEQ_CST);
	}
	return (void *)(wrong + (n < 0));
}

static void *reads_places(void *arg)
{
	static char texts[READERS][64 * PAGE];
	char *text = texts[(intptr_t)arg];
	long wrong = 0;

	for (size_t i = 0; i + 64 < PAGES; i += 13) {
		struct iovec parts[3] = {
			{text, 10}, {text + 10, 30 * PAGE}, {text + 10 + 30 * PAGE, 50}};
		size_t at = i * PAGE + (size_t)(intptr_t)arg;

		wrong += pread(file, text, 64 * PAGE, (off_t)at) != 64 * PAGE;
		wrong += !right(text, at, 64 * PAGE);
		wrong += preadv(file, parts, 3, (off_t)at) != 30 * PAGE + 60;
		wrong += !right(text, at, 30 * PAGE + 60);
	}
	/* up to the end and no further */
	wrong += pread(file, text, 64 * PAGE, (PAGES - 5) * PAGE) != 5 * PAGE;
	wrong += pread(file, text, 10, PAGES * PAGE) != 0;
	return (void *)wrong;
}

static void run(const char *what, void *(*function)(void *))
{
	pthread_t threads[READERS];
	long wrong = 0;

	half_cold();
	for (intptr_t i = 0; i < READERS; i++)
		threads[i] = t_thread(function, (void *)i);
	for (int i = 0; i < READERS; i++)
		wrong += (intptr_t)t_join(threads[i]);
	t_say("%s: wrong %ld", what, wrong);
}

static int appended;

static void *appends(void *arg)
{
	char line[64], more[64];
	struct iovec parts[2] = {{line, 64}, {more, 64}};
	long wrong = 0;

	memset(line, 'A' + (int)(intptr_t)arg, sizeof(line));
	memset(more, 'a' + (int)(intptr_t)arg, sizeof(more));
	for (int i = 0; i < 5; i++)
		wrong += writev(appended, parts, 2) != 128;
	for (int i = 0; i < 5; i++)
		wrong += write(appended, line, 64) != 64;
	return (void *)wrong;
}

/* Each write stands there in one piece, and nothing else does. */
static void look_at_appended(void)
{
	char line[64], more[64];
	int lines = 0, broken = 0;

	lseek(appended, 0, SEEK_SET);
	while (read(appended, line, 64) == 64) {
		lines++;
		if (memchr("ABCDEFGH", line[0], 8) == NULL) {
			broken++;
			continue;
		}
		for (int i = 1; i < 64; i++)
			broken += line[i] != line[0];
		if (pread(appended, more, 64, lseek(appended, 0, SEEK_CUR)) == 64 &&
		    more[0] == line[0] + 'a' - 'A') {
			lseek(appended, 64, SEEK_CUR);
			lines++;
		}
	}
	t_say("%d parts, broken %d", lines, broken);
}

static void *synchronous(void *arg T_UNUSED)
{
	char text[300] = "text";
	int fd = T_OK(open("sync", O_CREAT | O_RDWR | O_DSYNC, 0600));
	long wrong = 0;

	wrong += write(fd, text, 100) != 100;
	wrong += pwrite(fd, text, 50, 200) != 50;
	wrong += write(fd, text, 100) != 100;
	wrong += lseek(fd, 0, SEEK_CUR) != 200;
	wrong += lseek(fd, 0, SEEK_END) != 250;
	close(fd);
	return (void *)wrong;
}

static void *direct(void *arg T_UNUSED)
{
	int fd = open("file", O_RDWR | O_DIRECT);
	char *text = aligned_alloc(PAGE, 64 * PAGE);
	long wrong = 0;

	if (fd >= 0) {
		wrong += read(fd, text, 64 * PAGE) != 64 * PAGE || !right(text, 0, 64 * PAGE);
		wrong += lseek(fd, 0, SEEK_CUR) != 64 * PAGE;
		wrong += pwrite(fd, text, PAGE, 0) != PAGE;
		lseek(fd, (PAGES - 1) * PAGE, SEEK_SET);
		wrong += read(fd, text, 2 * PAGE) != PAGE || read(fd, text, PAGE) != 0;
		wrong += lseek(fd, 0, SEEK_CUR) != PAGES * PAGE;
		close(fd);
	}
	free(text);
	return (void *)wrong;
}

static void interrupted(int signal T_UNUSED)
{
	interrupts++;
}

static void *storms(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
		usleep(500);
	}
	storm_over = true;
	return NULL;
}

/* A handler without SA_RESTART: reading a file is never cut short by it. */
static void *stormed(void *arg T_UNUSED)
{
	static char text[PAGES * PAGE];
	pthread_t self = pthread_self(), other = t_thread(storms, &self);
	long wrong = 0;

	while (!storm_over) {
		wrong += pread(file, text, sizeof(text), 0) != sizeof(text);
		half_cold();
		wrong += fdatasync(file) != 0;
	}
	t_join(other);
	return (void *)wrong;
}

static void *exceeds(void *arg T_UNUSED)
{
	struct rlimit old, small;
	char text[2000] = {0};
	ssize_t wrote;
	int fd = T_OK(open("large", O_CREAT | O_RDWR | O_DSYNC, 0600));

	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 1500;
	setrlimit(RLIMIT_FSIZE, &small);
	t_say("up to the limit %zd", write(fd, text, sizeof(text)));
	wrote = write(fd, text, sizeof(text));
	t_say("beyond it %zd %s", wrote, strerror(errno));
	t_say("ftruncate %d %s", ftruncate(fd, 2000), strerror(errno));
	setrlimit(RLIMIT_FSIZE, &old);
	t_say("position %ld", (long)lseek(fd, 0, SEEK_CUR));
	close(fd);
	return NULL;
}

int main(void)
{
	char *all = malloc(PAGES * PAGE);
	int records = 0, doubles = 0;
	pthread_t threads[8];
	long wrong = 0;

	file = T_OK(open("file", O_CREAT | O_RDWR, 0600));
	for (size_t i = 0; i < PAGES * PAGE; i++)
		all[i] = content(i);
	T_OK(write(file, all, PAGES * PAGE));
	run("at places", reads_places);
	lseek(file, 0, SEEK_SET);
	run("at the position", reads_on);
	for (size_t i = 0; i < T_COUNT(seen); i++) {
		records += seen[i] > 0;
		doubles += seen[i] > 1;
	}
	t_say("records %d, twice %d, position %ld", records, doubles,
	      (long)lseek(file, 0, SEEK_CUR));

	appended = T_OK(open("appended", O_CREAT | O_RDWR | O_APPEND | O_DSYNC, 0600));
	for (intptr_t i = 0; i < 8; i++)
		threads[i] = t_thread(appends, (void *)i);
	for (int i = 0; i < 8; i++)
		wrong += (intptr_t)t_join(threads[i]);
	t_say("appends: wrong %ld, position %ld", wrong, (long)lseek(appended, 0, SEEK_CUR));
	look_at_appended();
	t_say("synchronous: wrong %ld", (long)(intptr_t)t_join(t_thread(synchronous, NULL)));
	t_say("direct: wrong %ld", (long)(intptr_t)t_join(t_thread(direct, NULL)));
	t_handler(SIGUSR1, interrupted, 0);
	t_say("stormed: wrong %ld", (long)(intptr_t)t_join(t_thread(stormed, NULL)));
	interrupts = 0;
	t_handler(SIGXFSZ, interrupted, 0);
	t_join(t_thread(exceeds, NULL));
	t_say("SIGXFSZ came %d times", interrupts);
	free(all);
	return t_done();
}
