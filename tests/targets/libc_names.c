/* SPDX-License-Identifier: MIT */
/* getaddrinfo, getpwuid and friends work from threads, without any network. */
#include "../helpers.h"

#include <netdb.h>
#include <pwd.h>
#include <syslog.h>

static void *looks_up(void *arg T_UNUSED)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
	struct sockaddr_in *address;
	struct passwd entry, *found = NULL;
	char buffer[1024];
	bool good;

	if (getaddrinfo("localhost", "80", &hints, &list))
		return NULL;
	address = (struct sockaddr_in *)list->ai_addr;
	good = address->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && address->sin_port == htons(80);
	freeaddrinfo(list);
	hints.ai_flags = AI_NUMERICHOST;
	good &= getaddrinfo("not.a.number", NULL, &hints, &list) == EAI_NONAME;
	getpwuid_r(0, &entry, buffer, sizeof(buffer), &found);
	good &= found && strcmp(found->pw_name, "root") == 0;
	/* goes nowhere where there is no log, and must not wait for one */
	syslog(LOG_DEBUG, "a line of the test programs");
	return (void *)(intptr_t)good;
}

int main(void)
{
	pthread_t threads[12];
	int good = 0;

	openlog("t_names", LOG_NDELAY, LOG_USER);
	for (int i = 0; i < 12; i++)
		threads[i] = t_thread(looks_up, NULL);
	for (int i = 0; i < 12; i++)
		good += t_join(threads[i]) != NULL;
	closelog();
	t_say("good %d", good);
	return t_done();
}
