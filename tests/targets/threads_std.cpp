/* SPDX-License-Identifier: MIT */
/* std::thread, std::async, promises, packaged tasks, and exceptions inside and across threads. */
#include "../helpers.h"

#include <functional>
#include <future>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int throws_deep(int depth)
{
	if (depth == 0)
		throw std::runtime_error("from the deep");
	t_nap(1);
	return throws_deep(depth - 1) + 1;
}

int main()
{
	std::vector<int> numbers(1000);
	std::iota(numbers.begin(), numbers.end(), 1);

	std::vector<std::future<int>> parts;
	for (int i = 0; i < 10; i++)
		parts.push_back(std::async(std::launch::async, [&, i] {
			return std::accumulate(numbers.begin() + i * 100,
					       numbers.begin() + i * 100 + 100, 0);
		}));
	int sum = 0;
	for (auto &part : parts)
		sum += part.get();
	t_say("sum %d", sum);

	auto failing = std::async(std::launch::async, throws_deep, 5);
	try {
		failing.get();
		t_say("no exception");
	} catch (const std::exception &e) {
		t_say("across: %s", e.what());
	}

	std::vector<std::thread> threads;
	std::vector<std::string> caught(20);
	for (int i = 0; i < 20; i++)
		threads.emplace_back([&, i] {
			try {
				throws_deep(i % 4);
			} catch (const std::runtime_error &e) {
				t_nap(2);
				caught[i] = e.what();
			}
		});
	for (auto &thread : threads)
		thread.join();
	bool all = true;
	for (auto &text : caught)
		all &= text == "from the deep";
	t_check("twenty threads caught their own", all);

	std::promise<std::string> promise;
	auto future = promise.get_future();
	t_check("not ready yet",
		future.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
	std::thread setter([&] { promise.set_value("kept"); });
	t_say("promise %s", future.get().c_str());
	setter.join();

	std::packaged_task<int(int)> task([](int n) { return n * 2; });
	auto doubled = task.get_future();
	std::thread runner(std::move(task), 21);
	t_say("packaged task %d", doubled.get());
	runner.join();
	t_check("ids differ", std::thread::id() != std::this_thread::get_id());
	return t_done();
}
