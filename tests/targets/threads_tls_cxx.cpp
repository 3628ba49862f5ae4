/* SPDX-License-Identifier: MIT */
/* thread_local objects are made on first use in each thread and destroyed when it ends. */
#include "../helpers.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> made, destroyed, wrong;

struct object {
	std::string text;
	object() : text("a string that is too long for the small buffer")
	{
		made++;
	}
	~object()
	{
		if (text.size() < 40)
			wrong++;
		destroyed++;
	}
};

static thread_local object local;
static thread_local std::vector<int> numbers;

static void work(int id)
{
	local.text += std::to_string(id);
	for (int i = 0; i < 100; i++) {
		numbers.push_back(id);
		if (i % 25 == 0)
			std::this_thread::yield();
	}
	for (int n : numbers)
		wrong += n != id;
	std::this_thread::sleep_for(std::chrono::milliseconds(5));
	if (local.text.find(std::to_string(id)) == std::string::npos)
		wrong++;
}

int main()
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 30; i++)
		threads.emplace_back(work, 1000 + i);
	for (auto &thread : threads)
		thread.join();
	std::thread([] {}).join();
	t_say("made %d destroyed %d", made.load(), destroyed.load());
	t_check("contents private and whole", wrong == 0);
	return t_done();
}
