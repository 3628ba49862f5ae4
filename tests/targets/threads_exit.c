/* SPDX-License-Identifier: MIT */
/* pthread_exit runs the cleanup handlers and key destructors in order and hands over its value. */
#include "../helpers.h"

static pthread_key_t key;
static char order[64];

static void note(void *arg)
{
	strcat(order, arg);
}

static void inner(void)
{
	pthread_cleanup_push(note, "3");
	pthread_exit("value");
	pthread_cleanup_pop(0);
}

static void *work(void *arg T_UNUSED)
{
	T_ZERO(pthread_setspecific(key, "k"));
	pthread_cleanup_push(note, "1");
	pthread_cleanup_push(note, "2");
	pthread_cleanup_push(note, "not popped by exit");
	pthread_cleanup_pop(0);
	inner();
	pthread_cleanup_pop(0);
	pthread_cleanup_pop(0);
	return NULL;
}

int main(void)
{
	T_ZERO(pthread_key_create(&key, note));
	t_say("joined: %s", (char *)t_join(t_thread(work, NULL)));
	t_say("order: %s", order);
	return t_done();
}
