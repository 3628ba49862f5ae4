// SPDX-License-Identifier: MIT
/* Boost.Context: fibers within threads that block, throw, and are unwound when dropped. */
/* LIBS: -lboost_context */
#include "../helpers.h"

#include <boost/context/fiber.hpp>
#include <stdexcept>
#include <vector>

namespace ctx = boost::context;

static int unwound;

struct Guard {
	~Guard() { __atomic_add_fetch(&unwound, 1, __ATOMIC_SEQ_CST); }
};

static ctx::fiber counts(ctx::fiber &&back, int id, int *sum)
{
	Guard guard;

	for (int i = 0;; i++) {
		usleep(500);
		try {
			if (i % 3 == id % 3)
				throw std::runtime_error("every third");
			*sum += 1;
		} catch (const std::runtime_error &) {
			*sum += 100;
		}
		back = std::move(back).resume();
	}
}

static void *works(void *arg)
{
	int id = (int)(intptr_t)arg;
	std::vector<ctx::fiber> fibers;
	std::vector<int> sums(5);

	for (int i = 0; i < 5; i++)
		fibers.emplace_back([i, &sums](ctx::fiber &&back) {
			return counts(std::move(back), i, &sums[i]);
		});
	for (int round = 0; round < 12 + id; round++)
		for (auto &fiber : fibers)
			fiber = std::move(fiber).resume();
	fibers.clear(); // each is thrown out of its wait for the next turn
	intptr_t total = 0;
	for (int sum : sums)
		total += sum;
	return (void *)total;
}

int main()
{
	pthread_t threads[8];

	for (intptr_t i = 0; i < 8; i++)
		threads[i] = t_thread(works, (void *)i);
	for (int i = 0; i < 8; i++)
		t_say("thread %d: %ld", i, (long)(intptr_t)t_join(threads[i]));
	t_say("unwound %d", unwound);
	return t_done();
}
