/* SPDX-License-Identifier: MIT */
/* Calls that never end with EINTR do not do so in a storm of handled signals either. */
#include "../helpers.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>

static volatile int hits;

static void handler(int signal T_UNUSED)
{
	hits++;
}

int main(void)
{
	struct itimerval interval = {{0, 50}, {0, 50}}, none = {{0, 0}, {0, 0}};
	int failed[6] = {0};
	struct stat st;

	t_handler(SIGALRM, handler, 0);
	T_OK(setitimer(ITIMER_REAL, &interval, NULL));
	for (int i = 0; i < 30000; i++) {
		void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int fd = open("/dev/null", O_RDONLY);

		failed[0] += page == MAP_FAILED;
		failed[1] += page != MAP_FAILED && munmap(page, 4096);
		failed[2] += stat("/", &st) != 0;
		failed[3] += fd < 0;
		failed[4] += fd >= 0 && close(fd);
		failed[5] += access("/", R_OK) != 0;
	}
	T_OK(setitimer(ITIMER_REAL, &none, NULL));
	t_check("handled many", hits > 10);
	t_say("failed: mmap %d munmap %d stat %d open %d close %d access %d", failed[0], failed[1],
	      failed[2], failed[3], failed[4], failed[5]);
	return t_done();
}
