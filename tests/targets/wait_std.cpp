/* SPDX-License-Identifier: MIT */
/* The C++ library's condition variables, shared and timed mutexes, call_once and futures. */
#include "../helpers.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main()
{
	std::mutex mutex;
	std::condition_variable changed;
	std::deque<int> queue;
	std::vector<std::thread> threads;
	long sum = 0;

	for (int i = 0; i < 4; i++)
		threads.emplace_back([&] {
			for (;;) {
				std::unique_lock<std::mutex> lock(mutex);
				changed.wait(lock, [&] { return !queue.empty(); });
				int item = queue.front();
				queue.pop_front();
				if (item < 0)
					return;
				sum += item;
			}
		});
	for (int i = 1; i <= 1000; i++) {
		std::lock_guard<std::mutex> lock(mutex);
		queue.push_back(i);
		changed.notify_one();
	}
	for (int i = 0; i < 4; i++) {
		std::lock_guard<std::mutex> lock(mutex);
		queue.push_back(-1);
		changed.notify_all();
	}
	for (auto &thread : threads)
		thread.join();
	t_say("sum %ld", sum);

	std::unique_lock<std::mutex> lock(mutex);
	auto start = t_now_ms();
	t_check("wait_for times out", changed.wait_for(lock, 50ms) == std::cv_status::timeout);
	t_check("after 50 ms", t_took(start, 50));
	start = t_now_ms();
	t_check("wait_until times out",
		changed.wait_until(lock, std::chrono::system_clock::now() + 50ms) ==
			std::cv_status::timeout);
	t_check("after 50 ms", t_took(start, 50));

	std::shared_timed_mutex shared;
	shared.lock_shared();
	std::thread([&] {
		t_check("second reader enters", shared.try_lock_shared_for(50ms));
		shared.unlock_shared();
		t_check("writer does not", !shared.try_lock_for(50ms));
	}).join();
	shared.unlock_shared();

	std::timed_mutex timed;
	timed.lock();
	std::thread([&] { t_check("timed mutex is taken", !timed.try_lock_for(50ms)); }).join();

	std::once_flag once;
	int runs = 0, throws = 0;
	threads.clear();
	for (int i = 0; i < 10; i++)
		threads.emplace_back([&] {
			try {
				std::call_once(once, [&] {
					if (runs++ == 0)
						throw 1;
				});
			} catch (int) {
				throws++;
			}
		});
	for (auto &thread : threads)
		thread.join();
	t_say("runs %d throws %d", runs, throws);

	auto late = std::async(std::launch::async, [] {
		t_nap(80);
		return 5;
	});
	t_check("future not ready", late.wait_for(10ms) == std::future_status::timeout);
	t_say("future %d", late.get());
	return t_done();
}
