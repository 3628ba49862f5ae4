/* SPDX-License-Identifier: MIT */
/* A thread replaces the program by exec; the others vanish, and the new one has threads too. */
#include "../helpers.h"

static char **arguments;

static void *echo(void *arg)
{
	t_nap(10);
	return arg;
}

static void *blocks(void *arg T_UNUSED)
{
	sem_t never;

	sem_init(&never, 0, 0);
	sem_wait(&never);
	return NULL;
}

static void *execs(void *arg T_UNUSED)
{
	t_check("a missing file is ENOENT",
		execl("./missing", "missing", NULL) == -1 && errno == ENOENT);
	t_check("and threads still run", t_join(t_thread(echo, "x")) != NULL);
	arguments[1] = "second";
	execv("/proc/self/exe", arguments);
	t_say("exec failed: %s", strerror(errno));
	return NULL;
}

static bool preloaded(void)
{
	char *preload = getenv("LD_PRELOAD");
	char line[512];
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "r");

	if (!preload || !strstr(preload, "libcopatch"))
		return true;
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, "libcopatch") != NULL;
	fclose(maps);
	return found;
}

int main(int argc, char **argv)
{
	static char *own[3];
	pid_t pid = getpid();
	char text[32];

	if (argc > 1) {
		pthread_t threads[5];
		int good = 0;

		t_say("%s life", argv[1]);
		t_check("same process", atoi(getenv("T_PID")) == pid);
		t_check("main's id", t_gettid() == pid);
		t_check("the preload went along", preloaded());
		for (intptr_t i = 0; i < 5; i++)
			threads[i] = t_thread(echo, (void *)i);
		for (int i = 0; i < 5; i++)
			good += t_join(threads[i]) == (void *)(intptr_t)i;
		t_say("threads %d", good);
		return 17;
	}
	snprintf(text, sizeof(text), "%d", pid);
	setenv("T_PID", text, 1);
	own[0] = argv[0];
	arguments = own;
	for (int i = 0; i < 5; i++)
		t_thread(blocks, NULL);
	t_join(t_thread(execs, NULL));
	return 1;
}
