/* SPDX-License-Identifier: MIT */
/*
 * Every cancellation point that POSIX requires (pthreads(7), but for STREAMS), and some that glibc
 * has besides. Called with a request pending each ends the thread before it does anything; where a
 * wait can be arranged, a request ends the wait too, here of all of them at the same time.
 */
#include "../helpers.h"

#include <aio.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <termios.h>
#include <threads.h>

#define FOREVER 3600000 /* milliseconds */

static int empty_pipe[2], full_pipe[2], empty_pair[2], full_pair[2], terminal[2];
static int listener, open_file, epoll, file, other_file, empty_queue, full_queue;
static mqd_t empty_mq, full_mq;
static struct sockaddr_un busy = {.sun_family = AF_UNIX};
static char folder[] = "/tmp/cancelXXXXXX", fifo[64], bytes[64], *map;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_t forever[2];
static pid_t child;
static sem_t sem, begun, asked;
static struct aiocb request = {.aio_buf = bytes, .aio_nbytes = 1};
static struct iovec iov = {bytes, 1};
static struct timespec span = {FOREVER / 1000, 0};

static void unlock(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

static void cond_wait(bool timed)
{
	struct timespec until = t_after(CLOCK_REALTIME, FOREVER);

	pthread_mutex_lock(&lock);
	pthread_cleanup_push(unlock, &lock);
	if (timed)
		pthread_cond_timedwait(&cond, &lock, &until);
	else
		pthread_cond_wait(&cond, &lock);
	pthread_cleanup_pop(1);
}

static void suspend_aio(void)
{
	const struct aiocb *list[] = {&request};

	aio_suspend(list, 1, NULL);
}

static void to_locked(int command)
{
	struct flock region = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

	fcntl(other_file, command, &region);
}

static void select_empty(bool masked)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(empty_pipe[0], &set);
	if (masked)
		pselect(empty_pipe[0] + 1, &set, NULL, NULL, NULL, NULL);
	else
		select(empty_pipe[0] + 1, &set, NULL, NULL, NULL);
}

static void poll_empty(bool masked)
{
	struct pollfd p = {empty_pipe[0], POLLIN, 0};

	if (masked)
		ppoll(&p, 1, NULL, NULL);
	else
		poll(&p, 1, -1);
}

static void wait_signal(bool timed)
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (timed)
		sigtimedwait(&set, &info, &span);
	else
		sigwaitinfo(&set, &info);
}

static void suspend(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigsuspend(&set);
}

static void send_message(int fd, bool receive)
{
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (receive)
		recvmsg(fd, &message, 0);
	else
		sendmsg(fd, &message, 0);
}

static struct {
	long type;
	char text[8];
} text = {1, "text"};

#define QUEUED sizeof(text.text)
#define UNTIL  (&(struct timespec){t_after(CLOCK_REALTIME, FOREVER).tv_sec, 0})
#define STEADY (&(struct timespec){t_after(CLOCK_MONOTONIC, FOREVER).tv_sec, 0})
#define INFO   (&(siginfo_t){0})
#define EVENT  (&(struct epoll_event){0})

/* clang-format off */
/* X(name, whether it can be made to wait here, the call) */
#define CALLS(X) \
	X(accept, 1, accept(listener, NULL, NULL)) \
	X(accept4, 1, accept4(listener, NULL, NULL, 0)) \
	X(aio_suspend, 1, suspend_aio()) \
	X(clock_nanosleep, 1, clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL)) \
	X(close, 0, close(open_file)) \
	X(connect, 1, connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&busy, sizeof(busy))) \
	X(creat, 1, creat(fifo, 0600)) \
	X(epoll_wait, 1, epoll_wait(epoll, EVENT, 1, -1)) \
	X(epoll_pwait, 1, epoll_pwait(epoll, EVENT, 1, -1, NULL)) \
	X(fcntl_setlkw, 1, to_locked(F_SETLKW)) \
	X(fcntl_ofd_setlkw, 1, to_locked(F_OFD_SETLKW)) \
	X(fdatasync, 0, fdatasync(file)) \
	X(fsync, 0, fsync(file)) \
	X(lockf, 1, lockf(other_file, F_LOCK, 1)) \
	X(mq_receive, 1, mq_receive(empty_mq, bytes, 8, NULL)) \
	X(mq_send, 1, mq_send(full_mq, bytes, 1, 0)) \
	X(mq_timedreceive, 1, mq_timedreceive(empty_mq, bytes, 8, NULL, UNTIL)) \
	X(mq_timedsend, 1, mq_timedsend(full_mq, bytes, 1, 0, UNTIL)) \
	X(msgrcv, 1, msgrcv(empty_queue, &text, QUEUED, 0, 0)) \
	X(msgsnd, 1, msgsnd(full_queue, &text, QUEUED, 0)) \
	X(msync, 0, msync(map, 4096, MS_SYNC)) \
	X(nanosleep, 1, nanosleep(&span, NULL)) \
	X(open, 1, open(fifo, O_WRONLY)) \
	X(openat, 1, openat(AT_FDCWD, fifo, O_WRONLY)) \
	X(pause, 1, pause()) \
	X(poll, 1, poll_empty(false)) \
	X(ppoll, 1, poll_empty(true)) \
	X(pread, 0, pread(file, bytes, 1, 0)) \
	X(preadv, 0, preadv(file, &iov, 1, 0)) \
	X(pselect, 1, select_empty(true)) \
	X(cond_timedwait, 1, cond_wait(true)) \
	X(cond_wait, 1, cond_wait(false)) \
	X(join, 1, pthread_join(forever[0], NULL)) \
	X(timedjoin, 1, pthread_timedjoin_np(forever[1], NULL, UNTIL)) \
	X(testcancel, 0, pthread_testcancel()) \
	X(pwrite, 0, pwrite(file, "x", 1, 0)) \
	X(pwritev, 0, pwritev(file, &iov, 1, 0)) \
	X(read, 1, read(empty_pipe[0], bytes, 1)) \
	X(read_terminal, 1, read(terminal[1], bytes, 1)) \
	X(readv, 1, readv(empty_pipe[0], &iov, 1)) \
	X(recv, 1, recv(empty_pair[0], bytes, 1, 0)) \
	X(recvfrom, 1, recvfrom(empty_pair[0], bytes, 1, 0, NULL, NULL)) \
	X(recvmsg, 1, send_message(empty_pair[0], true)) \
	X(select, 1, select_empty(false)) \
	X(sem_clockwait, 1, sem_clockwait(&sem, CLOCK_MONOTONIC, STEADY)) \
	X(sem_timedwait, 1, sem_timedwait(&sem, UNTIL)) \
	X(sem_wait, 1, sem_wait(&sem)) \
	X(send, 1, send(full_pair[0], bytes, 1, 0)) \
	X(sendmsg, 1, send_message(full_pair[0], false)) \
	X(sendto, 1, sendto(full_pair[0], bytes, 1, 0, NULL, 0)) \
	X(sigsuspend, 1, suspend()) \
	X(sigtimedwait, 1, wait_signal(true)) \
	X(sigwait, 1, sigwait(&(sigset_t){0}, &(int){0})) \
	X(sigwaitinfo, 1, wait_signal(false)) \
	X(sleep, 1, sleep(FOREVER)) \
	X(system, 1, system("exec sleep 60")) \
	X(tcdrain, 0, tcdrain(terminal[1])) \
	X(thrd_sleep, 1, thrd_sleep(&span, NULL)) \
	X(usleep, 1, usleep(999999999)) \
	X(wait, 1, wait(NULL)) \
	X(wait4, 1, wait4(child, NULL, 0, NULL)) \
	X(waitid, 1, waitid(P_PID, (id_t)child, INFO, WEXITED)) \
	X(waitpid, 1, waitpid(child, NULL, 0)) \
	X(write, 1, write(full_pipe[1], bytes, 1)) \
	X(writev, 1, writev(full_pipe[1], &iov, 1))

enum {
#define X(name, waits, call) AT_##name,
	CALLS(X) COUNT
};
#undef X
#define X(name, waits, call) {#name, waits},
static const struct { const char *name; int waits; } list[] = { CALLS(X) };
#undef X
/* clang-format on */

static int cleaned[COUNT], returned[COUNT];

static void make(int which)
{
	switch (which) {
#define X(name, waits, call) \
	case AT_##name:      \
		call;        \
		break;
		CALLS(X)
#undef X
	}
}

static void clean(void *which)
{
	cleaned[(intptr_t)which]++;
}

static void *calls(void *which)
{
	pthread_cleanup_push(clean, which);
	make((int)(intptr_t)which);
	pthread_cleanup_pop(0);
	returned[(intptr_t)which]++;
	return NULL;
}

static void *calls_when_told(void *which)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	sem_post(&begun);
	sem_wait(&asked);
	pthread_setcancelstate(old, NULL);
	return calls(which);
}

static void say(const char *how, int which, void *result)
{
	t_say("%s %s: cancelled %d, cleaned %d, returned %d", how, list[which].name,
	      result == PTHREAD_CANCELED, cleaned[which], returned[which]);
	cleaned[which] = returned[which] = 0;
}

static void *sleeps(void *arg)
{
	pause();
	return arg;
}

static mqd_t message_queue(void)
{
	struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
	char name[32];
	mqd_t queue;

	snprintf(name, sizeof(name), "/cancel%d", (int)getpid());
	queue = T_OK(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	mq_unlink(name);
	return queue;
}

static void fill(int fd)
{
	int flags = T_OK(fcntl(fd, F_GETFL));

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	while (write(fd, bytes, sizeof(bytes)) > 0 || write(fd, bytes, 1) > 0)
		;
	fcntl(fd, F_SETFL, flags);
}

/* Nobody accepts, so a connect finds no place. */
static void busy_listener(void)
{
	int fd = T_OK(socket(AF_UNIX, SOCK_STREAM, 0)), error = 0;

	snprintf(busy.sun_path, sizeof(busy.sun_path), "%s/socket", folder);
	T_OK(bind(fd, (struct sockaddr *)&busy, sizeof(busy)));
	T_OK(listen(fd, 0));
	while (!error) {
		fd = T_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		error = connect(fd, (struct sockaddr *)&busy, sizeof(busy));
	}
}

static void prepare(void)
{
	struct flock region = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	struct sockaddr_in address;
	struct msqid_ds queue;
	int ready[2];
	char path[64];

	T_OK(pipe(empty_pipe));
	T_OK(pipe(full_pipe));
	fill(full_pipe[1]);
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, empty_pair));
	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, full_pair));
	fill(full_pair[0]);
	terminal[0] = T_OK(posix_openpt(O_RDWR | O_NOCTTY));
	T_OK(grantpt(terminal[0]) | unlockpt(terminal[0]));
	terminal[1] = T_OK(open(ptsname(terminal[0]), O_RDWR | O_NOCTTY));
	listener = t_listener(&address);
	open_file = T_OK(dup(listener));
	epoll = T_OK(epoll_create1(0));
	request.aio_fildes = empty_pair[0];
	T_OK(aio_read(&request));

	T_OK(mkdtemp(folder) ? 0 : -1);
	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	T_OK(mkfifo(fifo, 0600));
	busy_listener();
	snprintf(path, sizeof(path), "%s/file", folder);
	file = T_OK(open(path, O_RDWR | O_CREAT, 0600));
	other_file = T_OK(open(path, O_RDWR));
	unlink(path);
	T_OK(ftruncate(file, 4096));
	map = T_OK((char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));

	empty_mq = message_queue();
	full_mq = message_queue();
	T_OK(mq_send(full_mq, bytes, 1, 0));
	empty_queue = T_OK(msgget(IPC_PRIVATE, 0600));
	full_queue = T_OK(msgget(IPC_PRIVATE, 0600));
	T_OK(msgctl(full_queue, IPC_STAT, &queue));
	queue.msg_qbytes = QUEUED;
	T_OK(msgctl(full_queue, IPC_SET, &queue));
	T_OK(msgsnd(full_queue, &text, QUEUED, 0));

	T_OK(pipe(ready));
	child = T_OK(fork());
	if (!child) {
		T_OK(fcntl(file, F_SETLK, &region));
		t_write_all(ready[1], "r", 1);
		pause();
		_exit(0);
	}
	t_read_all(ready[0], bytes, 1);
	forever[0] = t_thread(sleeps, NULL);
	forever[1] = t_thread(sleeps, NULL);
	sem_init(&sem, 0, 0);
	sem_init(&begun, 0, 0);
	sem_init(&asked, 0, 0);
}

static bool nothing_done(void)
{
	struct msqid_ds full, empty;

	T_OK(msgctl(full_queue, IPC_STAT, &full));
	T_OK(msgctl(empty_queue, IPC_STAT, &empty));
	return fcntl(open_file, F_GETFD) >= 0 && !map[0] && full.msg_qnum == 1 && !empty.msg_qnum &&
	       !kill(child, 0);
}

int main(void)
{
	static pthread_t thread[COUNT];

	prepare();
	for (intptr_t i = 0; i < COUNT; i++) {
		thread[i] = t_thread(calls_when_told, (void *)i);
		sem_wait(&begun);
		T_ZERO(pthread_cancel(thread[i]));
		sem_post(&asked);
		say("pending", (int)i, t_join(thread[i]));
	}
	t_check("nothing was done", nothing_done());
	for (intptr_t i = 0; i < COUNT; i++)
		if (list[i].waits)
			thread[i] = t_thread(calls, (void *)i);
	t_nap(300);
	/* The children of system() are not there any more for wait(). */
	for (int i = COUNT - 1; i >= 0; i--) {
		if (!list[i].waits)
			continue;
		T_ZERO(pthread_cancel(thread[i]));
		say("waiting", i, t_join(thread[i]));
	}
	t_check("nothing was done", nothing_done());
	for (int i = 0; i < 2; i++) {
		T_ZERO(pthread_cancel(forever[i]));
		t_check("can still be joined", t_join(forever[i]) == PTHREAD_CANCELED);
	}
	kill(child, SIGKILL);
	t_say("child %d", t_reap(child));
	msgctl(empty_queue, IPC_RMID, NULL);
	msgctl(full_queue, IPC_RMID, NULL);
	unlink(fifo);
	unlink(busy.sun_path);
	rmdir(folder);
	return t_done();
}
