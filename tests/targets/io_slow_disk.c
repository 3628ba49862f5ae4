/* SPDX-License-Identifier: MIT */
/* On a file system that takes its time one thread waits for it, and the others go on. */
#include "../helpers.h"

#include <dirent.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define DELAY_MS 100
#define SIZE     10000 /* of the one file */
#define FILE_ID  2

static volatile bool over;
/* Requests that the file system has seen, and ticks of the other thread, which it sees. */
static volatile uint32_t *calls, *ticks;

static char content(size_t at)
{
	return (char)('a' + at % 23);
}

/* A file system of one file, by linux/fuse.h, in a process of its own. */
static struct fuse_attr attributes(uint64_t id)
{
	struct fuse_attr attr = {.ino = id, .nlink = 1, .blksize = 4096};

	attr.mode = id == FILE_ID ? S_IFREG | 0600 : S_IFDIR | 0700;
	attr.size = id == FILE_ID ? SIZE : 0;
	return attr;
}

static void answer(int fd, uint64_t unique, int error, const void *data, size_t size)
{
	struct fuse_out_header out = {(uint32_t)(sizeof(out) + size), error, unique};
	struct iovec parts[2] = {{&out, sizeof(out)}, {(void *)data, size}};

	if (writev(fd, parts, 2) < 0 && errno != ENOENT)
		_exit(1);
}

static void serve_one(int fd, const struct fuse_in_header *in, const void *arg)
{
	static char text[SIZE];
	struct fuse_init_out init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096};
	struct fuse_entry_out entry = {.nodeid = FILE_ID, .attr = attributes(FILE_ID)};
	struct fuse_attr_out attr = {.attr = attributes(in->nodeid)};
	struct fuse_open_out open = {.open_flags = FOPEN_DIRECT_IO};
	struct fuse_statfs_out statfs = {.st = {.bsize = 4096, .namelen = 255}};
	const struct fuse_read_in *read = arg;
	struct fuse_write_out written;
	struct { /* fuse_dirent, and its name */
		uint64_t ino, off;
		uint32_t namelen, type;
		char name[8];
	} file = {FILE_ID, 1, 4, DT_REG, "file"};
	uint32_t before = *ticks;
	size_t n;

	if (in->opcode == FUSE_INIT) {
		answer(fd, in->unique, 0, &init, sizeof(init));
		return;
	}
	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_INTERRUPT)
		return;
	__atomic_add_fetch(calls, 1, __ATOMIC_SEQ_CST);
	t_nap(DELAY_MS);
	/* on a busy machine a tick takes its time */
	for (int late = 0; late < 100 && *ticks - before < 5; late++)
		t_nap(10);
	switch (in->opcode) {
	case FUSE_LOOKUP:
		if (strcmp(arg, "file"))
			answer(fd, in->unique, -ENOENT, NULL, 0);
		else
			answer(fd, in->unique, 0, &entry, sizeof(entry));
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		answer(fd, in->unique, 0, &attr, sizeof(attr));
		break;
	case FUSE_OPENDIR:
		open.open_flags = 0;
		answer(fd, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_OPEN:
		answer(fd, in->unique, 0, &open, sizeof(open));
		break;
	case FUSE_READDIR:
		answer(fd, in->unique, 0, &file, read->offset ? 0 : sizeof(file));
		break;
	case FUSE_READ:
		n = read->offset >= SIZE ? 0 : SIZE - read->offset;
		n = n < read->size ? n : read->size;
		for (size_t i = 0; i < n; i++)
			text[i] = content(read->offset + i);
		answer(fd, in->unique, 0, text, n);
		break;
	case FUSE_WRITE:
		written =
			(struct fuse_write_out){.size = ((const struct fuse_write_in *)arg)->size};
		answer(fd, in->unique, 0, &written, sizeof(written));
		break;
	case FUSE_STATFS:
		answer(fd, in->unique, 0, &statfs, sizeof(statfs));
		break;
	case FUSE_UNLINK:
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		answer(fd, in->unique, 0, NULL, 0);
		break;
	default:
		answer(fd, in->unique, -ENOSYS, NULL, 0);
	}
}

static void serve(int fd)
{
	static char request[1 << 16] __attribute__((aligned(8)));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(fd, request, sizeof(request)) > 0)
		serve_one(fd, (void *)request, request + sizeof(struct fuse_in_header));
	_exit(0);
}

static pid_t mount_it(void)
{
	int fd = open("/dev/fuse", O_RDWR);
	char options[80];
	pid_t child;

	if (fd < 0 || unshare(CLONE_NEWNS))
		t_skip("no FUSE here, or no right to mount one");
	T_OK(mkdir("slow", 0700));
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd,
		 getuid(), getgid());
	if (mount("slow", "slow", "fuse", MS_NOSUID | MS_NODEV, options))
		t_skip("no right to mount a FUSE file system");
	calls = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ticks = calls + 1;
	child = T_OK(fork());
	if (child == 0)
		serve(fd);
	close(fd);
	return child;
}

static void *ticks_on(void *arg T_UNUSED)
{
	while (!over) {
		t_nap(1);
		++*ticks;
	}
	return NULL;
}

static uint32_t ticks_before, calls_before;

static void begin(void)
{
	ticks_before = *ticks;
	calls_before = *calls;
}

/* What took the file system its time has not held up the other thread. */
static void end(const char *what)
{
	bool asked = *calls > calls_before;

	if (asked && *ticks - ticks_before < 5)
		fprintf(stderr, "%s: %u ticks\n", what, *ticks - ticks_before);
	t_say("%s: %s", what,
	      !asked                       ? "asked nobody"
	      : *ticks - ticks_before >= 5 ? "others went on"
					   : "NOBODY WENT ON");
}

static bool right(const char *text, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (text[i] != content(at + i))
			return false;
	return true;
}

static void reads(int fd)
{
	char text[SIZE + 1];
	struct iovec parts[2] = {{text, 10}, {text + 10, 20}};
	int ends[2];

	begin();
	t_check("read", read(fd, text, 100) == 100 && right(text, 0, 100));
	end("read");
	t_say("position %ld", (long)lseek(fd, 0, SEEK_CUR));
	begin();
	t_check("readv", readv(fd, parts, 2) == 30 && right(text, 100, 30));
	end("readv");
	begin();
	t_check("pread", pread(fd, text, 100, 5000) == 100 && right(text, 5000, 100));
	end("pread");
	t_check("preadv", preadv(fd, parts, 2, 700) == 30 && right(text, 700, 30));
	t_say("position %ld", (long)lseek(fd, 0, SEEK_CUR));
	t_say("to the end %zd", pread(fd, text, sizeof(text), SIZE - 7));
	lseek(fd, SIZE - 3, SEEK_SET);
	t_say("at the end %zd", read(fd, text, 100));
	t_say("position %ld", (long)lseek(fd, 0, SEEK_CUR));
	t_say("behind it %zd", read(fd, text, 100));
	lseek(fd, 0, SEEK_SET);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	begin();
	t_say("sendfile %zd", sendfile(ends[0], fd, NULL, 3000));
	end("sendfile");
	t_check("what it sent", t_read_all(ends[1], text, 3000) && right(text, 0, 3000));
	t_say("position %ld", (long)lseek(fd, 0, SEEK_CUR));
	close(ends[0]);
	close(ends[1]);
}

static void *reads_at_position(void *arg)
{
	char text[64];

	return (void *)(intptr_t)(read((int)(intptr_t)arg, text, sizeof(text)) == sizeof(text));
}

/* Two threads read on from one position: each part is read once. */
static void share_position(int fd)
{
	pthread_t threads[4];
	int good = 0;

	lseek(fd, 0, SEEK_SET);
	for (int i = 0; i < 4; i++)
		threads[i] = t_thread(reads_at_position, (void *)(intptr_t)fd);
	for (int i = 0; i < 4; i++)
		good += (int)(intptr_t)t_join(threads[i]);
	t_say("%d readers, position %ld", good, (long)lseek(fd, 0, SEEK_CUR));
}

static void changes(int fd)
{
	char text[100] = {0};

	lseek(fd, 0, SEEK_SET);
	begin();
	t_say("write %zd", write(fd, text, sizeof(text)));
	end("write");
	t_say("position %ld", (long)lseek(fd, 0, SEEK_CUR));
	begin();
	t_say("pwrite %zd", pwrite(fd, text, 50, 10));
	end("pwrite");
	begin();
	t_say("fsync %d", fsync(fd));
	end("fsync");
	begin();
	t_say("ftruncate %d", ftruncate(fd, SIZE));
	end("ftruncate");
	begin();
	t_say("unlink %d", unlink("slow/file"));
	end("unlink");
}

int main(void)
{
	pid_t server = mount_it();
	pthread_t ticker = t_thread(ticks_on, NULL);
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd;

	begin();
	t_say("stat %d", stat("slow/file", &st));
	end("stat");
	t_say("size %ld", (long)st.st_size);
	begin();
	t_check("access", access("slow/none", R_OK) == -1 && errno == ENOENT);
	end("access");
	begin();
	fd = T_OK(open("slow/file", O_RDWR));
	end("open");
	begin();
	t_say("fstat %d", fstat(fd, &st));
	end("fstat");
	reads(fd);
	share_position(fd);
	changes(fd);
	begin();
	dir = opendir("slow");
	end("opendir");
	begin();
	while ((entry = readdir(dir)))
		t_say("entry %s", entry->d_name);
	end("readdir");
	begin();
	closedir(dir);
	t_say("close %d", close(fd));
	end("close");
	over = true;
	t_join(ticker);
	umount2("slow", MNT_DETACH);
	kill(server, SIGKILL);
	t_reap(server); /* killed, or gone with its mount */
	return t_done();
}
