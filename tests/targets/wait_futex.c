/* SPDX-License-Identifier: MIT */
/* Raw futex waits: wrong value, counts of wakes, bit sets, private and shared words. */
#include "../helpers.h"

#include <linux/futex.h>

static int word;
static int woken;

static long futex(int *addr, int op, int value, const void *timeout, int *addr2, int value3)
{
	return syscall(SYS_futex, addr, op, value, timeout, addr2, value3);
}

static void *waits(void *arg)
{
	long result = futex(&word, (intptr_t)arg, 0, NULL, NULL, 0);

	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return (void *)(result == 0 ? 0 : (intptr_t)errno);
}

static void *waits_bits(void *arg)
{
	long result = futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (intptr_t)arg);

	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return (void *)(result == 0 ? 0 : (intptr_t)errno);
}

static int count(void)
{
	t_settle();
	return __atomic_load_n(&woken, __ATOMIC_SEQ_CST);
}

static void wakes(const char *kind, int wait_op, int wake_op)
{
	pthread_t threads[6];
	intptr_t errors = 0;

	woken = 0;
	for (int i = 0; i < 6; i++)
		threads[i] = t_thread(waits, (void *)(intptr_t)wait_op);
	t_settle();
	t_say("%s: nobody woke by itself: %d", kind, count());
	t_say("wake of 1 woke %ld", futex(&word, wake_op, 1, NULL, NULL, 0));
	t_say("now %d", count());
	t_say("wake of 2 woke %ld", futex(&word, wake_op, 2, NULL, NULL, 0));
	t_say("now %d", count());
	t_say("wake of all woke %ld", futex(&word, wake_op, INT32_MAX, NULL, NULL, 0));
	for (int i = 0; i < 6; i++)
		errors += (intptr_t)t_join(threads[i]);
	t_say("now %d errors %ld", count(), (long)errors);
}

int main(void)
{
	pthread_t a, b, c;

	t_check("wrong value is EAGAIN",
		futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == -1 && errno == EAGAIN);
	t_say("wake of nobody woke %ld", futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	wakes("private", FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE);
	wakes("shared", FUTEX_WAIT, FUTEX_WAKE);

	woken = 0;
	a = t_thread(waits_bits, (void *)1);
	b = t_thread(waits_bits, (void *)2);
	c = t_thread(waits_bits, (void *)3);
	t_settle();
	t_say("bit 4 woke %ld", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4));
	t_say("bit 2 woke %ld", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 2));
	t_join(b);
	t_join(c);
	t_say("now %d", count());
	t_say("any bit woke %ld", futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0));
	t_join(a);
	t_check("no bits are EINVAL",
		futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0) == -1 && errno == EINVAL);
	t_check("unaligned is EINVAL",
		futex((int *)((char *)&word + 1), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1 &&
			errno == EINVAL);
	t_check("unknown operation is ENOSYS",
		futex(&word, 99, 0, NULL, NULL, 0) == -1 && errno == ENOSYS);
	return t_done();
}
