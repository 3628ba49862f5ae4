/* SPDX-License-Identifier: MIT */
/* Raw futex requeue, cmp_requeue and wake_op move and wake the counts that they are asked for. */
#include "../helpers.h"

#include <linux/futex.h>

static int first, second, unused;
static int woken;

static long futex(int *addr, int op, int value, intptr_t value2, int *addr2, int value3)
{
	return syscall(SYS_futex, addr, op, value, value2, addr2, value3);
}

static void *waits(void *arg)
{
	int *word = arg;

	if (futex(word, FUTEX_WAIT_PRIVATE, *word, 0, NULL, 0))
		return (void *)1;
	__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static int count(void)
{
	t_settle();
	return __atomic_load_n(&woken, __ATOMIC_SEQ_CST);
}

static void crowd(pthread_t threads[5], int *word)
{
	woken = 0;
	for (int i = 0; i < 5; i++)
		threads[i] = t_thread(waits, word);
	t_settle();
}

static void finish(pthread_t threads[5])
{
	t_say("left at first %ld", futex(&first, FUTEX_WAKE_PRIVATE, 9, 0, NULL, 0));
	t_say("left at second %ld", futex(&second, FUTEX_WAKE_PRIVATE, 9, 0, NULL, 0));
	for (int i = 0; i < 5; i++)
		t_check("woke cleanly", t_join(threads[i]) == NULL);
}

int main(void)
{
	pthread_t threads[5], other;

	crowd(threads, &first);
	t_say("requeue 1 and 2: %ld", futex(&first, FUTEX_REQUEUE_PRIVATE, 1, 2, &second, 0));
	t_say("woken %d", count());
	finish(threads);

	crowd(threads, &first);
	t_check("cmp_requeue with a wrong value is EAGAIN",
		futex(&first, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, &second, 5) == -1 &&
			errno == EAGAIN);
	t_say("woken %d", count());
	t_say("cmp_requeue 2 and all: %ld",
	      futex(&first, FUTEX_CMP_REQUEUE_PRIVATE, 2, INT32_MAX, &second, 0));
	t_say("woken %d", count());
	finish(threads);

	crowd(threads, &first);
	other = t_thread(waits, &second);
	t_settle();
	t_say("wake_op with a true test: %ld",
	      futex(&first, FUTEX_WAKE_OP_PRIVATE, 2, 9, &second,
		    FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)));
	t_say("woken %d second is %d", count(), second);
	t_join(other);
	t_say("wake_op with a false test: %ld",
	      futex(&first, FUTEX_WAKE_OP_PRIVATE, 1, 9, &second,
		    FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_GT, 100)));
	t_say("woken %d second is %d", count(), second);
	futex(&unused, FUTEX_WAKE_OP_PRIVATE, 1, 0, &second,
	      FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 3, FUTEX_OP_CMP_EQ, 0));
	t_say("or with a shift: %d", second);
	futex(&unused, FUTEX_WAKE_OP_PRIVATE, 1, 0, &second,
	      FUTEX_OP(FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_EQ, 0));
	futex(&unused, FUTEX_WAKE_OP_PRIVATE, 1, 0, &second,
	      FUTEX_OP(FUTEX_OP_XOR, 7, FUTEX_OP_CMP_EQ, 0));
	t_say("andn and xor: %d", second);
	finish(threads);
	return t_done();
}
