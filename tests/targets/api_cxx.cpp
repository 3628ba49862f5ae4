/* SPDX-License-Identifier: MIT */
/* copatch.h from C++: destructors of what is dropped, killed or too late; exceptions of each stack.
 */
#include "../helpers.h"

#include <copatch.h>
#include <cxxabi.h>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>

static std::string trace;
static std::mutex mutex;
static copatch_greenlet *base, *one, *two;

struct guard {
	char name;
	explicit guard(char n) : name(n)
	{
	}
	~guard()
	{
		trace += name;
	}
};

/* As a program would keep one. */
struct generator {
	copatch_generator *gen;
	explicit generator(void (*function)(void *), void *arg = nullptr)
	    : gen(copatch_generator_new(function, arg))
	{
	}
	~generator()
	{
		copatch_generator_free(gen);
	}
};

static void expect(const char *what, const char *expected)
{
	t_check(what, trace == expected);
	if (trace != expected)
		t_say("trace: %s", trace.c_str());
	trace.clear();
}

static void deep(int n)
{
	guard g((char)('a' + n));

	if (n)
		deep(n - 1);
	else
		copatch_yield(nullptr);
}

static void yields(void *)
{
	guard g('z');

	try {
		deep(3);
	} catch (abi::__forced_unwind &) {
		trace += '!';
		throw;
	}
}

static void has_another(void *)
{
	generator inner(yields);
	guard g('y');

	t_check("the inner one", copatch_next(inner.gen, nullptr) == 1);
	copatch_yield(nullptr);
}

static void drops()
{
	{
		generator g(yields);
		t_check("a first value", copatch_next(g.gen, nullptr) == 1);
	}
	expect("dropped", "abcd!z");
	{
		generator g(yields);
		t_check("again", copatch_next(g.gen, nullptr) == 1);
		t_check("its end", copatch_next(g.gen, nullptr) == 0);
	}
	expect("ended", "abcdz");
	{
		generator g(has_another);
		t_check("nested", copatch_next(g.gen, nullptr) == 1);
	}
	expect("a drop within a drop", "yabcd!z");
}

static void *killed(void *)
{
	guard g('k');
	std::lock_guard<std::mutex> lock(mutex);
	generator inner(has_another);

	t_check("a value", copatch_next(inner.gen, nullptr) == 1);
	copatch_switch(base, nullptr, nullptr);
	trace += '?';
	return nullptr;
}

static void kills()
{
	copatch_greenlet *g = copatch_greenlet_new(killed);

	t_check("switched", copatch_switch(g, nullptr, nullptr) == 0);
	t_check("it has the lock", !mutex.try_lock());
	t_check("killed", copatch_greenlet_kill(g) == 0 && copatch_greenlet_dead(g));
	t_check("the lock is free", mutex.try_lock());
	mutex.unlock();
	expect("destructors", "yabcd!zk");
	copatch_greenlet_free(g);
}

/* Each throws, and switches to the other while it handles that. */
static void *throws(void *value)
{
	copatch_greenlet *other = copatch_greenlet_current() == one ? two : one;
	bool right = true;

	for (long i = 0; i < 1000; i++) {
		std::string text = (char *)value + std::to_string(i);

		right = right && !std::current_exception() && std::uncaught_exceptions() == 0;
		try {
			guard g('.');
			throw std::runtime_error(text);
		} catch (std::exception &e) {
			copatch_switch(other, const_cast<char *>("two"), nullptr);
			right = right && text == e.what() && std::current_exception();
			try {
				throw;
			} catch (std::runtime_error &again) {
				right = right && text == again.what();
			}
		}
	}
	return reinterpret_cast<void *>(right);
}

static void exceptions()
{
	void *right = nullptr;

	one = copatch_greenlet_new(throws);
	two = copatch_greenlet_new(throws);
	(void)copatch_switch(one, const_cast<char *>("one"), &right);
	t_check("the first is right", right);
	while (!copatch_greenlet_dead(two))
		(void)copatch_switch(two, nullptr, &right);
	t_check("so is the other", right);
	t_check("every destructor ran", trace.size() == 2000);
	trace.clear();
	copatch_greenlet_free(one);
	copatch_greenlet_free(two);
}

struct switches {
	~switches()
	{
		copatch_switch(base, nullptr, nullptr);
		trace += 's';
	}
};

static void *throws_through(void *)
{
	guard g('g');

	try {
		switches s;
		throw 42;
	} catch (int n) {
		trace += n == 42 ? 'c' : '?';
	}
	return nullptr;
}

/* An exception is under way in a greenlet while others throw too. */
static void under_way()
{
	copatch_greenlet *g = copatch_greenlet_new(throws_through);

	(void)copatch_switch(g, nullptr, nullptr);
	t_check("none here", std::uncaught_exceptions() == 0);
	try {
		throw std::string("another");
	} catch (std::string &) {
		trace += 'a';
	}
	(void)copatch_switch(g, nullptr, nullptr);
	expect("one after the other", "ascg");
	copatch_greenlet_free(g);
}

static int ends[2];

static void *blocks(void *)
{
	guard g('b');
	std::lock_guard<std::mutex> lock(mutex);
	char byte;

	T_OK(read(ends[0], &byte, 1));
	trace += '?';
	return nullptr;
}

static void *inner_scope(void *)
{
	guard g('o');

	copatch_with_timeout(60000, blocks, nullptr, nullptr);
	trace += '?';
	return nullptr;
}

static void tasks()
{
	copatch_task *task = copatch_spawn(blocks, nullptr);

	t_settle();
	t_check("killed in a read", copatch_kill(task, -1) == 0);
	t_check("told", copatch_join(task, 0, nullptr) == -ECANCELED);
	expect("its destructors", "b");
	copatch_task_free(task);
	t_check("too late", copatch_with_timeout(50, blocks, nullptr, nullptr) == -ETIMEDOUT);
	expect("the scope's destructors", "b");
	t_check("the outer too late",
		copatch_with_timeout(50, inner_scope, nullptr, nullptr) == -ETIMEDOUT);
	expect("the inner first", "bo");
	t_check("no lock is left", mutex.try_lock());
	mutex.unlock();
}

int main()
{
	T_OK(pipe(ends));
	base = copatch_greenlet_current();
	drops();
	kills();
	exceptions();
	under_way();
	tasks();
	return t_done();
}
