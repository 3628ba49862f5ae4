/* SPDX-License-Identifier: MIT */
/*
 * A program that keeps its carrier in a known way for 400 ms, while another thread waits.
 *
 * usage: blocks compute|call|fault|idle|short|twice|fork
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 400

static volatile unsigned long sum;

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nap(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

__attribute__((noinline)) void innermost(long ms)
{
	long end = now_ms() + ms;

	while (now_ms() < end)
		for (int i = 0; i < 10000; i++)
			sum += (unsigned long)i;
}

__attribute__((noinline)) void outer_function(long ms)
{
	innermost(ms);
	sum++;
}

/* The parent of such a child stands still until it ends, all of it where memory is not shared. */
__attribute__((noinline)) void slow_call(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);

	if (!pid) {
		nap(LONG_MS);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	sum++;
}

/* The child of a fork serves our page, late. */
__attribute__((noinline)) void slow_page(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register reg = {.range = {(uint64_t)page, 4096},
				      .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffdio_zeropage zero = {.range = {(uint64_t)page, 4096}};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | 1 /* UFFD_USER_MODE_ONLY */);
	pid_t pid;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		exit(77);
	pid = fork();
	if (!pid) {
		nap(LONG_MS);
		ioctl(fd, UFFDIO_ZEROPAGE, &zero);
		_exit(0);
	}
	sum += (unsigned long)*(volatile char *)page;
	waitpid(pid, NULL, 0);
}

static void *blocker(void *arg)
{
	const char *how = arg;

	pthread_setname_np(pthread_self(), "culprit");
	if (!strcmp(how, "compute"))
		outer_function(LONG_MS);
	else if (!strcmp(how, "short"))
		outer_function(20);
	else if (!strcmp(how, "call"))
		slow_call();
	else if (!strcmp(how, "fault"))
		slow_page();
	else if (!strcmp(how, "idle"))
		nap(LONG_MS);
	for (int i = 0; i < 2 && !strcmp(how, "twice"); i++) {
		outer_function(LONG_MS);
		nap(1);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	pthread_t thread;
	int status = 0;

	if (!strcmp(how, "fork")) {
		if (!fork()) {
			outer_function(LONG_MS);
			_exit(0);
		}
		wait(&status);
		return status;
	}
	if (pthread_create(&thread, NULL, blocker, (void *)how))
		abort();
	pthread_join(thread, NULL);
	return 0;
}
