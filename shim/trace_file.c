/* SPDX-License-Identifier: MIT */
/*
 * The file of a trace: a JSON array that is whole at any moment, so that it can be read after a
 * crash, _exit, exec or SIGKILL. It grows by a window of spaces with the closing bracket at its
 * end; events are copied into the window through a mapping.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../scheduler/carrier.h"
#include "../scheduler/raw.h"
#include "trace.h"
#include "usercopy.h"

#define WINDOW (256UL << 10)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* How our files begin: see trace.c, put_names. */
#define HEAD "[\n  {\"ph\":\"M\",\"pid\":"

static struct {
	int fd; /* -1: no file */
	char *map;
	uint64_t base;  /* of the window, in the file */
	uint64_t at;    /* in the window */
	uint64_t limit; /* of the file */
	bool empty;     /* no comma before the next */
} file = {.fd = -1};

static char spaces[4096];

/* Not by fallocate: not every file system has it, and zeros are no white space. */
static int extend(uint64_t base, uint64_t done)
{
	struct iovec iov[WINDOW / sizeof(spaces)];
	struct rlimit lim = {RLIM_INFINITY, RLIM_INFINITY};

	/* Beyond it the kernel would send SIGXFSZ to the program. */
	raw2(__NR_getrlimit, RLIMIT_FSIZE, &lim);
	if (base + WINDOW > file.limit || base + WINDOW > lim.rlim_cur)
		return -EFBIG;
	while (done < WINDOW) {
		long n;
		int count = 0;

		for (uint64_t i = done; i < WINDOW; i += iov[count++].iov_len) {
			iov[count].iov_base = spaces;
			iov[count].iov_len = sizeof(spaces) - i % sizeof(spaces);
		}
		n = raw4(__NR_pwritev, file.fd, iov, count, base + done);
		if (n == -EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : -ENOSPC;
		done += (uint64_t)n;
	}
	return 0;
}

static int copy(uint64_t at, const char *text, size_t n)
{
	/* Somebody may have cut the file short: SIGBUS. */
	return (int)user_copy(file.map + at, text, n);
}

/* The file goes on at `end`, in a window with the bracket at its end. */
static int next_window(uint64_t end)
{
	uint64_t base = end & ~(sizeof(spaces) - 1);
	long map;
	int err = extend(base, end - base);

	if (err)
		return err;
	map = raw6(__NR_mmap, 0, WINDOW, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, (long)base);
	if (raw_failed(map))
		return (int)map;
	if (file.map) {
		err = copy(WINDOW - 2, " \n", 2); /* the array goes on */
		raw2(__NR_munmap, file.map, WINDOW);
	}
	file.map = (char *)map;
	/* All at once costs half of what a fault for each page does; where it cannot be, they do.
	 */
	raw3(__NR_madvise, map, WINDOW, MADV_POPULATE_WRITE);
	/* The child of a fork writes a file of its own. */
	raw3(__NR_madvise, map, WINDOW, MADV_DONTFORK);
	file.base = base;
	file.at = end - base;
	return err ? err : copy(WINDOW - 2, "]\n", 2);
}

static size_t put_pid(char *to)
{
	char digits[24];
	size_t n = 0, d = 0;
	long pid = raw0(__NR_getpid);

	do
		digits[d++] = (char)('0' + pid % 10);
	while (pid /= 10);
	while (d)
		to[n++] = digits[--d];
	return n;
}

/* Where the last event ends, or -errno: the file was begun by somebody else. */
static long find_end(int fd)
{
	char expected[64] = HEAD, head[64];
	size_t n = sizeof(HEAD) - 1;
	struct stat st = {0};
	long end;

	n += put_pid(expected + n);
	expected[n++] = ',';
	if (raw2(__NR_fstat, fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    st.st_uid != (uid_t)raw0(__NR_geteuid) || st.st_mode & 077 ||
	    raw4(__NR_pread64, fd, head, n, 0) != (long)n || memcmp(head, expected, n))
		return -EEXIST;
	for (end = st.st_size; end > 0;) {
		char tail[1024];
		long from = end > (long)sizeof(tail) ? end - (long)sizeof(tail) : 0;

		if (raw4(__NR_pread64, fd, tail, end - from, from) != end - from)
			return -EIO;
		for (; end > from; end--)
			if (tail[end - from - 1] == '}')
				return end;
	}
	return -EEXIST;
}

/*
 * A new file that only its owner may read, or the one that this process has begun before it
 * exec'd. Never through a symbolic link.
 */
static int open_name(const char *name, long *end)
{
	long fd = raw4(__NR_openat, AT_FDCWD, name,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	*end = 0;
	if (fd != -EEXIST)
		return (int)fd;
	fd = raw3(__NR_openat, AT_FDCWD, name,
		  O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (raw_failed(fd))
		return -EEXIST;
	*end = find_end((int)fd);
	if (*end > 0)
		return (int)fd;
	raw1(__NR_close, fd);
	return (int)*end;
}

/* FILE, or FILE.PID where another process has that one. */
static int open_either(const char *path, long *end)
{
	char name[4096 + 32];
	size_t n = 0;
	int fd = open_name(path, end);

	if (fd != -EEXIST)
		return fd;
	while (n < 4096 && path[n]) {
		name[n] = path[n];
		n++;
	}
	name[n++] = '.';
	n += put_pid(name + n);
	name[n] = '\0';
	return open_name(name, end);
}

int trace_file_open(const char *path, uint64_t limit)
{
	long end;
	int fd = fd_move_high(open_either(path, &end)), err;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < sizeof(spaces); i++)
		spaces[i] = ' ';
	file.fd = fd;
	file.limit = limit;
	file.map = NULL;
	file.empty = !end;
	fd_claim(fd);
	/* What follows the last event is white space from here on. */
	err = raw_failed(raw2(__NR_ftruncate, fd, end)) ? -EIO : next_window((uint64_t)end);
	if (!err && !end) {
		err = copy(0, "[\n", 2);
		file.at = 2;
	}
	if (err)
		trace_file_close();
	return err;
}

int trace_file_put(const char *event, size_t n)
{
	static const char between[2] = {',', '\n'};
	int err = 0;

	if (file.at + n + 2 > WINDOW - 2)
		err = next_window(file.base + WINDOW);
	if (!err)
		err = copy(file.at + 2, event, n);
	if (!err)
		err = copy(file.at, file.empty ? "  " : between, 2);
	if (err) {
		trace_file_close();
		return err;
	}
	file.empty = false;
	file.at += n + 2;
	return 0;
}

void trace_file_close(void)
{
	if (file.fd < 0)
		return;
	if (file.map) {
		raw4(__NR_pwrite64, file.fd, "\n]\n", 3, file.base + file.at);
		raw2(__NR_ftruncate, file.fd, file.base + file.at + 3);
		raw2(__NR_munmap, file.map, WINDOW);
	}
	raw1(__NR_close, file.fd);
	file.fd = -1;
	file.map = NULL;
}

/* The mapping is not there in the child. */
void trace_file_after_fork(void)
{
	if (file.fd >= 0)
		raw1(__NR_close, file.fd);
	file.fd = -1;
	file.map = NULL;
}
