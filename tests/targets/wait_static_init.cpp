/* SPDX-License-Identifier: MIT */
/* Local statics are made once while many threads ask for them, also after a throwing attempt. */
#include "../helpers.h"

#include <atomic>
#include <thread>
#include <vector>

static std::atomic<int> made, attempts, failures, incomplete;

struct slow {
	int value;
	slow() : value(0)
	{
		made++;
		t_nap(40);
		value = 7;
	}
};

struct stubborn {
	stubborn()
	{
		int attempt = ++attempts;
		t_nap(10);
		if (attempt < 4)
			throw attempt;
	}
};

static slow &get_slow()
{
	static slow object;
	return object;
}

static void get_stubborn()
{
	static stubborn object;
}

int main()
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 20; i++)
		threads.emplace_back([] {
			if (get_slow().value != 7)
				incomplete++;
			try {
				get_stubborn();
			} catch (int) {
				failures++;
			}
		});
	for (auto &thread : threads)
		thread.join();
	t_say("made %d incomplete %d", made.load(), incomplete.load());
	t_say("attempts %d failures %d", attempts.load(), failures.load());
	return t_done();
}
