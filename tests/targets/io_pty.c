/* SPDX-License-Identifier: MIT */
/* Reads of a terminal wait for a line in canonical mode, and obey VMIN and VTIME without it. */
#include "../helpers.h"

#include <termios.h>

static int master, slave;

static void *reads(void *arg T_UNUSED)
{
	char *text = calloc(1, 64);
	ssize_t n = read(slave, text, 63);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void show(const char *what, pthread_t thread)
{
	char *text = t_join(thread);

	text[strcspn(text, "\n")] = '$';
	t_say("%s: %s", what, text);
	free(text);
}

int main(void)
{
	struct termios mode;
	pthread_t thread;
	int64_t start;
	char byte;

	master = T_OK(posix_openpt(O_RDWR | O_NOCTTY));
	T_OK(grantpt(master));
	T_OK(unlockpt(master));
	slave = T_OK(open(ptsname(master), O_RDWR | O_NOCTTY));
	t_check("terminal", isatty(slave));
	T_OK(tcgetattr(slave, &mode));
	mode.c_lflag &= ~ECHO;
	T_OK(tcsetattr(slave, TCSANOW, &mode));

	thread = t_thread(reads, NULL);
	t_settle();
	T_OK(write(master, "hel", 3));
	t_settle();
	T_OK(write(master, "lo\n", 3));
	show("line", thread);
	thread = t_thread(reads, NULL);
	t_settle();
	T_OK(write(master, "\4", 1));
	show("end of file", thread);

	mode.c_lflag &= ~ICANON;
	mode.c_cc[VMIN] = 4;
	mode.c_cc[VTIME] = 0;
	T_OK(tcsetattr(slave, TCSANOW, &mode));
	thread = t_thread(reads, NULL);
	t_settle();
	T_OK(write(master, "ab", 2));
	t_settle();
	T_OK(write(master, "cd", 2));
	show("four bytes at least", thread);
	mode.c_cc[VMIN] = 0;
	mode.c_cc[VTIME] = 1;
	T_OK(tcsetattr(slave, TCSANOW, &mode));
	start = t_now_ms();
	t_check("a tenth of a second", read(slave, &byte, 1) == 0 && t_took(start, 100));

	mode.c_lflag |= ICANON;
	T_OK(tcsetattr(slave, TCSANOW, &mode));
	thread = t_thread(reads, NULL);
	t_settle();
	T_OK(close(master));
	show("hang up", thread);
	return t_done();
}
