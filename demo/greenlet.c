/* SPDX-License-Identifier: MIT */
/*
 * Multitasking, second step: greenlets. There is no loop any more: each task names the one that is
 * to go on, and sends it a value. They still block each other when they sleep.
 *
 * usage: greenlet COUNT
 */
#include <copatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_MAX 1000000
#define BAD_USAGE 125 /* as copatch itself */

static struct copatch_greenlet *one, *two;
static intptr_t count;

static void *task(void *value)
{
	struct copatch_greenlet *other = copatch_greenlet_current() == one ? two : one;
	const char *name = other == two ? "one" : "two";
	intptr_t n = (intptr_t)value;

	while (n < count) {
		printf("task %s: %ld\n", name, (long)++n);
		fflush(stdout);
		if (n == count)
			break; /* the end: on to the parent, main */
		copatch_sleep(500);
		if (copatch_switch(other, (void *)n, &value))
			break;
		n = (intptr_t)value;
	}
	return (void *)n;
}

static intptr_t number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > COUNT_MAX ? 0 : n;
}

int main(int argc, char **argv)
{
	void *counted = NULL;

	count = argc == 2 ? number(argv[1]) : 0;
	if (!count) {
		fprintf(stderr, "greenlet: how far is it to count? greenlet COUNT, from 1 to %d\n",
			COUNT_MAX);
		return BAD_USAGE;
	}
	one = copatch_greenlet_new(task);
	two = copatch_greenlet_new(task);
	if (!one || !two || copatch_switch(one, NULL, &counted)) {
		perror("greenlet");
		return 1;
	}
	printf("counted to %ld\n", (long)(intptr_t)counted);
	copatch_greenlet_free(one);
	copatch_greenlet_free(two);
	return 0;
}
