/* SPDX-License-Identifier: MIT */
/* alarm, setitimer and POSIX timers fire while all threads wait, by signal and by thread. */
#include "../helpers.h"

#include <sys/time.h>

static volatile int hits;
static sem_t ticked;

static void handler(int signal T_UNUSED)
{
	hits++;
}

static void in_thread(union sigval value)
{
	hits += value.sival_int;
	sem_post(&ticked);
}

static void *waits(void *arg)
{
	return (void *)(intptr_t)sem_wait(arg);
}

static void wait_for(int count)
{
	int64_t start = t_now_ms();

	while (hits < count && t_now_ms() - start < 5000)
		usleep(200000);
}

int main(void)
{
	struct itimerval interval = {{0, 20000}, {0, 50000}}, none = {{0, 0}, {0, 0}}, old;
	struct itimerspec spec = {{0, 20000000}, {0, 50000000}};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD,
				 .sigev_notify_function = in_thread,
				 .sigev_value.sival_int = 1};
	pthread_t thread;
	sem_t never;
	timer_t timer;
	int64_t start;

	sem_init(&never, 0, 0);
	sem_init(&ticked, 0, 0);
	thread = t_thread(waits, &never);
	t_handler(SIGALRM, handler, SA_RESTART);
	start = t_now_ms();
	alarm(1);
	wait_for(1);
	t_check("alarm after a second", hits == 1 && t_took(start, 1000));
	alarm(50);
	t_say("left of an alarm %d", alarm(0));

	hits = 0;
	start = t_now_ms();
	T_OK(setitimer(ITIMER_REAL, &interval, NULL));
	wait_for(5);
	T_OK(setitimer(ITIMER_REAL, &none, &old));
	t_check("setitimer repeats", hits >= 5 && t_took(start, 130));
	t_check("and tells its interval", old.it_interval.tv_usec == 20000);

	hits = 0;
	T_OK(timer_create(CLOCK_MONOTONIC, &event, &timer));
	T_OK(timer_settime(timer, 0, &spec, NULL));
	for (int i = 0; i < 3; i++)
		while (sem_wait(&ticked))
			;
	T_OK(timer_delete(timer));
	t_check("a timer calls in a thread", hits >= 3);

	hits = 0;
	event = (struct sigevent){.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	T_OK(timer_create(CLOCK_REALTIME, &event, &timer));
	T_OK(timer_settime(timer, 0, &spec, NULL));
	wait_for(3);
	T_OK(timer_delete(timer));
	t_check("a timer sends signals", hits >= 3);
	sem_post(&never);
	/* with or without the signal in this thread, it must end */
	t_join(thread);
	return t_done();
}
