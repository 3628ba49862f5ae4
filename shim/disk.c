/* SPDX-License-Identifier: MIT */
/*
 * Kinds of file systems. To ask a remote one what it is would be to wait for it: the device
 * number, which needs no answer, is looked up in the table of mounts first.
 */
#include "disk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "../scheduler/raw.h"
#include "fdtab.h"
#include "options.h"

#define DEVICES 16

static const char *const remote_types[] = {
	"fuse", "fuseblk", "virtiofs", "nfs",   "nfs4",   "cifs",   "smb3",     "9p",     "ceph",
	"afs",  "coda",    "gfs2",     "ocfs2", "lustre", "vboxsf", "orangefs", "beegfs",
};

/* linux/magic.h, and fs/hugetlbfs, fs/proc and so on for those that it lacks. */
static const uint32_t memory_types[] = {0x01021994, 0x858458f6, 0x958458f6};
static const uint32_t made_types[] = {
	0x00009fa0, 0x62656572, 0x0027e0eb, 0x63677270, 0x64626720, 0x74726163,
	0x73636673, 0x62656570, 0x00001cd1, 0x19800202, 0xcafe4a11, 0x6165676c,
	0xde5e81e4, 0x42494e4d, 0x6e736673, 0xf97cff8c,
};

struct reader {
	int fd;
	unsigned at, end;
	char buffer[1024];
};

static int next_char(struct reader *r)
{
	long n;

	if (r->at == r->end) {
		n = raw3(__NR_read, r->fd, r->buffer, sizeof(r->buffer));
		if (n <= 0)
			return -1;
		r->at = 0;
		r->end = (unsigned)n;
	}
	return (unsigned char)r->buffer[r->at++];
}

/* The next word, cut off at `size`; what it ends with. */
static int next_word(struct reader *r, char *to, unsigned size)
{
	unsigned n = 0;
	int c;

	while ((c = next_char(r)) > ' ')
		if (n < size - 1)
			to[n++] = (char)c;
	to[n] = 0;
	return c;
}

static bool is_device(const char *word, unsigned major, unsigned minor)
{
	unsigned number[2] = {0, 0}, i = 0;

	for (; *word; word++) {
		if (*word == ':' && !i)
			i = 1;
		else
			number[i] = number[i] * 10 + (unsigned)(*word - '0');
	}
	return i && number[0] == major && number[1] == minor;
}

/* "fuse.sshfs" is a fuse. */
static bool is_remote_type(const char *word)
{
	for (size_t i = 0; i < sizeof(remote_types) / sizeof(*remote_types); i++)
		if (copatch_starts_with(word, remote_types[i], '.'))
			return true;
	return false;
}

/* Lines of proc_pid_mountinfo(5): "36 35 98:0 / /mnt rw master:1 - ext3 /dev/sda1 rw". */
static bool look_up(unsigned major, unsigned minor)
{
	struct reader r = {.fd = (int)raw4(__NR_openat, AT_FDCWD, "/proc/self/mountinfo",
					   O_RDONLY | O_CLOEXEC, 0)};
	bool ours = false, type_next = false, found = false;
	unsigned place = 0;
	char word[32];
	int end;

	if (r.fd < 0)
		return false;
	do {
		end = next_word(&r, word, sizeof(word));
		if (place == 2)
			ours = is_device(word, major, minor);
		else if (type_next && ours)
			found = is_remote_type(word);
		type_next = place > 5 && !strcmp(word, "-");
		place = end == '\n' ? 0 : place + 1;
	} while (end >= 0 && !found);
	raw1(__NR_close, r.fd);
	return found;
}

bool disk_remote(unsigned major, unsigned minor)
{
	static struct {
		uint64_t device;
		bool remote;
	} known[DEVICES];
	static unsigned next;
	uint64_t device = ((uint64_t)major << 32 | minor) + 1;
	unsigned i;

	for (i = 0; i < DEVICES; i++)
		if (known[i].device == device)
			return known[i].remote;
	i = next++ % DEVICES;
	known[i].device = device;
	known[i].remote = look_up(major, minor);
	return known[i].remote;
}

static enum disk find_out(int fd)
{
	struct statx st = {0};
	struct statfs fs = {0};

	if (raw5(__NR_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st))
		return DISK_LOCAL;
	if (disk_remote(st.stx_dev_major, st.stx_dev_minor))
		return DISK_REMOTE;
	/* A block device is in /dev, but what it holds is not. */
	if (S_ISBLK(st.stx_mode) || raw2(__NR_fstatfs, fd, &fs))
		return DISK_LOCAL;
	for (size_t i = 0; i < sizeof(memory_types) / sizeof(*memory_types); i++)
		if ((uint32_t)fs.f_type == memory_types[i])
			return DISK_MEMORY;
	for (size_t i = 0; i < sizeof(made_types) / sizeof(*made_types); i++)
		if ((uint32_t)fs.f_type == made_types[i])
			return DISK_MADE;
	return DISK_LOCAL;
}

enum disk disk_of(int fd)
{
	enum disk disk = (enum disk)fd_disk(fd);

	if (disk == DISK_UNKNOWN) {
		disk = find_out(fd);
		fd_set_disk(fd, disk);
	}
	return disk;
}
