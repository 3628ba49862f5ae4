/* SPDX-License-Identifier: MIT */
/* Cancellation unwinds C++ frames: destructors run and catch (...) sees it on its way. */
#include "../helpers.h"

#include <cxxabi.h>
#include <mutex>

static int destroyed, caught, locals;
static std::mutex mutex;
static int ends[2];

struct guard {
	~guard()
	{
		destroyed++;
	}
};

struct thread_local_guard {
	~thread_local_guard()
	{
		locals++;
	}
	int touched = 0;
};

static thread_local thread_local_guard local;

static void inner(int how)
{
	guard a;
	char byte;

	if (how == 0)
		T_OK(read(ends[0], &byte, 1));
	else if (how == 1)
		sleep(20);
	else
		pause();
}

static void *work(void *arg)
{
	std::lock_guard<std::mutex> lock(mutex);
	guard b;

	local.touched = 1;
	try {
		guard c;
		inner((int)(intptr_t)arg);
	} catch (abi::__forced_unwind &) {
		caught++;
		throw;
	}
	return nullptr;
}

int main()
{
	T_OK(pipe(ends));
	for (intptr_t how = 0; how < 3; how++) {
		pthread_t thread = t_thread(work, (void *)how);

		t_settle();
		T_ZERO(pthread_cancel(thread));
		t_check("canceled", t_join(thread) == PTHREAD_CANCELED);
		t_check("the lock was released", mutex.try_lock());
		mutex.unlock();
	}
	t_say("destroyed %d caught %d thread-locals %d", destroyed, caught, locals);
	return t_done();
}
