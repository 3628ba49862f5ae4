/* SPDX-License-Identifier: MIT */
/* Every sleeping call sleeps as long as asked, relative and absolute, on each clock. */
#include "../helpers.h"

#include <poll.h>
#include <sys/select.h>

static const struct {
	const char *name;
	clockid_t clock;
} clocks[] = {
	{"REALTIME", CLOCK_REALTIME},
	{"MONOTONIC", CLOCK_MONOTONIC},
	{"BOOTTIME", CLOCK_BOOTTIME},
	{"TAI", CLOCK_TAI},
};

static void all(void)
{
	struct timespec ts = t_timespec(40);
	struct timeval tv = {0, 40000};
	int64_t start = t_now_ms();

	t_check("nanosleep", nanosleep(&ts, NULL) == 0 && t_took(start, 40));
	start = t_now_ms();
	t_check("usleep", usleep(40000) == 0 && t_took(start, 40));
	start = t_now_ms();
	t_check("sleep", sleep(1) == 0 && t_took(start, 1000));
	start = t_now_ms();
	t_check("empty poll", poll(NULL, 0, 40) == 0 && t_took(start, 40));
	start = t_now_ms();
	t_check("empty select", select(0, NULL, NULL, NULL, &tv) == 0 && t_took(start, 40));
	for (size_t i = 0; i < T_COUNT(clocks); i++) {
		ts = t_timespec(40);
		start = t_now_ms();
		t_check(clocks[i].name,
			clock_nanosleep(clocks[i].clock, 0, &ts, NULL) == 0 && t_took(start, 40));
		ts = t_after(clocks[i].clock, 40);
		start = t_now_ms();
		t_check(clocks[i].name,
			clock_nanosleep(clocks[i].clock, TIMER_ABSTIME, &ts, NULL) == 0 &&
				t_took(start, 40));
		ts = t_after(clocks[i].clock, -40);
		start = t_now_ms();
		t_check(clocks[i].name,
			clock_nanosleep(clocks[i].clock, TIMER_ABSTIME, &ts, NULL) == 0 &&
				t_took(start, 0));
	}
	ts = t_timespec(0);
	start = t_now_ms();
	t_check("zero", nanosleep(&ts, NULL) == 0 && usleep(0) == 0 && t_took(start, 0));
}

static void *in_thread(void *arg T_UNUSED)
{
	all();
	return NULL;
}

int main(void)
{
	all();
	t_join(t_thread(in_thread, NULL));
	return t_done();
}
