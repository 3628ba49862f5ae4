/* SPDX-License-Identifier: MIT */
/*
 * Cancelling a thread that waits for a child or a file; for a lock it goes on waiting, since
 * that is no cancellation point, and ends at the next one.
 */
#include "../helpers.h"

#include <sys/file.h>
#include <sys/msg.h>
#include <sys/uio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static volatile int got, cleaned;
static int ends[2], files[2], queue;
static char large[4 << 20];
static pid_t child;

static void clean(void *arg T_UNUSED)
{
	cleaned++;
}

static void waits(int how)
{
	struct iovec iov = {&(char){0}, 1};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct timespec time = t_timespec(20000);
	struct {
		long type;
		char text[8];
	} message;
	siginfo_t info;
	sigset_t set;
	int status;

	switch (how) {
	case 0:
		waitpid(child, &status, 0);
		break;
	case 1:
		waitid(P_PID, (id_t)child, &info, WEXITED);
		break;
	case 2:
		readv(ends[0], &iov, 1);
		break;
	case 3:
		recvmsg(ends[0], &msg, 0);
		break;
	case 4:
		clock_nanosleep(CLOCK_REALTIME, 0, &time, NULL);
		break;
	case 5:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		sigtimedwait(&set, &info, &time);
		break;
	case 6:
		msgrcv(queue, &message, sizeof(message.text), 0, 0);
		break;
	case 7:
		pthread_mutex_lock(&lock);
		break;
	case 8:
		pthread_rwlock_wrlock(&rwlock);
		break;
	case 9:
		flock(files[1], LOCK_EX);
		break;
	case 10:
		pthread_spin_lock(&spin);
		break;
	case 11:
		send(ends[1], large, sizeof(large), 0); /* in the middle of it */
		break;
	}
	got++;
	pthread_testcancel();
	got++;
}

static void *runs(void *arg)
{
	pthread_cleanup_push(clean, NULL);
	waits((int)(intptr_t)arg);
	pthread_cleanup_pop(0);
	return NULL;
}

static const char *const names[] = {"waitpid",         "waitid",       "readv",    "recvmsg",
				    "clock_nanosleep", "sigtimedwait", "msgrcv",   "mutex",
				    "rwlock",          "flock",        "spinlock", "send"};

int main(void)
{
	char path[] = "lockXXXXXX";

	T_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	queue = T_OK(msgget(IPC_PRIVATE, 0600));
	files[0] = T_OK(mkstemp(path));
	files[1] = T_OK(open(path, O_RDWR));
	unlink(path);
	T_ZERO(pthread_spin_init(&spin, 0));
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	pthread_mutex_lock(&lock);
	pthread_rwlock_rdlock(&rwlock);
	pthread_spin_lock(&spin);
	T_OK(flock(files[0], LOCK_EX));
	for (int how = 0; how < (int)T_COUNT(names); how++) {
		pthread_t thread;
		int early;
		void *result;

		got = cleaned = 0;
		thread = t_thread(runs, (void *)(intptr_t)how);
		t_settle();
		pthread_cancel(thread);
		t_settle();
		for (int i = 0; !cleaned && i < 200 && (how < 7 || how == 9 || how == 11); i++)
			t_nap(10);
		early = cleaned;
		if (how == 7)
			pthread_mutex_unlock(&lock);
		else if (how == 8)
			pthread_rwlock_unlock(&rwlock);
		else if (how == 9)
			flock(files[0], LOCK_UN);
		else if (how == 10)
			pthread_spin_unlock(&spin);
		result = t_join(thread);
		t_say("%s: at once %d, cancelled %d, cleaned %d, went on %d", names[how], early,
		      result == PTHREAD_CANCELED, cleaned, got);
	}
	kill(child, SIGKILL);
	t_reap(child);
	msgctl(queue, IPC_RMID, NULL);
	return t_done();
}
