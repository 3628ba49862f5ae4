/* SPDX-License-Identifier: MIT */
/* Threads wait in reads of eventfd, timerfd, signalfd and inotify while others run. */
#include "../helpers.h"

#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void *reads_event(void *arg)
{
	uint64_t value = 0;

	T_OK(read(*(int *)arg, &value, sizeof(value)));
	return (void *)(uintptr_t)value;
}

static void *writes_event(void *arg)
{
	uint64_t value = UINT64_MAX - 1;
	int64_t start = t_now_ms();

	T_OK(write(*(int *)arg, &value, sizeof(value)));
	value = 1;
	T_OK(write(*(int *)arg, &value, sizeof(value)));
	return (void *)(intptr_t)(t_now_ms() - start >= 40);
}

static void *reads_signal(void *arg)
{
	struct signalfd_siginfo info;

	T_OK(read(*(int *)arg, &info, sizeof(info)));
	return (void *)(uintptr_t)(info.ssi_pid == (uint32_t)getpid() ? info.ssi_signo : 0);
}

static void *reads_inotify(void *arg)
{
	char buffer[4096] __attribute__((aligned(8)));
	struct inotify_event *event = (void *)buffer;

	T_OK(read(*(int *)arg, buffer, sizeof(buffer)));
	return strdup(event->name);
}

int main(void)
{
	struct itimerspec timer = {.it_value = {0, 60000000}, .it_interval = {0, 20000000}};
	pthread_t thread, other;
	int64_t start;
	sigset_t set;
	char *name;
	int fd;

	fd = T_OK(eventfd(0, 0));
	thread = t_thread(reads_event, &fd);
	t_settle();
	T_OK(eventfd_write(fd, 41));
	t_say("eventfd %ld", (long)(intptr_t)t_join(thread));
	thread = t_thread(writes_event, &fd);
	t_nap(200);
	t_say("eventfd full, read gave the whole: %d",
	      reads_event(&fd) == (void *)(UINT64_MAX - 1));
	t_check("its writer waited", t_join(thread) != NULL);
	close(fd);
	fd = T_OK(eventfd(2, EFD_SEMAPHORE));
	thread = t_thread(reads_event, &fd);
	other = t_thread(reads_event, &fd);
	t_say("semaphore %ld", (long)(intptr_t)t_join(thread) + (long)(intptr_t)t_join(other));

	fd = T_OK(timerfd_create(CLOCK_MONOTONIC, 0));
	start = t_now_ms();
	T_OK(timerfd_settime(fd, 0, &timer, NULL));
	thread = t_thread(reads_event, &fd);
	t_check("timer ticked", (intptr_t)t_join(thread) >= 1);
	t_check("after 60 ms", t_took(start, 60));
	t_check("ticks again", (intptr_t)reads_event(&fd) >= 1 && t_took(start, 80));

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	T_ZERO(pthread_sigmask(SIG_BLOCK, &set, NULL));
	fd = T_OK(signalfd(-1, &set, 0));
	thread = t_thread(reads_signal, &fd);
	t_settle();
	T_OK(kill(getpid(), SIGUSR1));
	t_check("signal read", (intptr_t)t_join(thread) == SIGUSR1);

	fd = T_OK(inotify_init());
	T_OK(inotify_add_watch(fd, ".", IN_CREATE));
	thread = t_thread(reads_inotify, &fd);
	t_settle();
	close(T_OK(open("newborn", O_CREAT | O_WRONLY, 0600)));
	name = t_join(thread);
	t_say("created %s", name);
	free(name);
	return t_done();
}
