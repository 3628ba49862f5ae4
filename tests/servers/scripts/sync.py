# SPDX-License-Identifier: MIT
"""Condition, Event, Barrier, Semaphore, RLock and Timer between threads."""

import threading
import time


def start(target, count):
    """Start that many threads, each with its number."""
    threads = [threading.Thread(target=target, args=(number,))
               for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    """Wait for all of them."""
    for thread in threads:
        thread.join()


condition = threading.Condition()
order = []


def in_turn(number):
    """Append the numbers in order, though all wait for their turn at once."""
    with condition:
        condition.wait_for(lambda: len(order) == number)
        order.append(number)
        condition.notify_all()


join(start(in_turn, 60))
print("in order:", order == list(range(60)))

event = threading.Event()
seen = []
waiters = start(lambda number: seen.append(event.wait(10)), 40)
print("set already:", event.wait(0.05))
event.set()
join(waiters)
print("woken:", seen.count(True))

barrier = threading.Barrier(10)
rounds = []


def meet(number):
    """Meet the others five times."""
    for turn in range(5):
        rounds.append(turn)
        if barrier.wait(10) == 0:
            rounds.append("served")


join(start(meet, 10))
print("rounds:", [entry for entry in rounds if entry != "served"]
      == sorted(entry for entry in rounds if entry != "served"),
      rounds.count("served"))

broken = []
barrier = threading.Barrier(2, timeout=0.05)
try:
    barrier.wait()
except threading.BrokenBarrierError:
    print("broken barrier")

semaphore = threading.BoundedSemaphore(3)
inside, most = 0, 0
guard = threading.Lock()


def enter(number):
    """Be in the room, with two others at most."""
    global inside, most
    with semaphore:
        with guard:
            inside += 1
            most = max(most, inside)
        time.sleep(0.005)
        with guard:
            inside -= 1


join(start(enter, 30))
print("most inside:", most)

lock = threading.RLock()
total = 0


def add(number):
    """Add up under a lock that is taken twice."""
    global total
    for _ in range(2000):
        with lock, lock:
            total += 1


join(start(add, 8))
print("total:", total)
begun = time.monotonic()
print("lock taken:", guard.acquire() and guard.acquire(timeout=0.1),
      0.1 <= time.monotonic() - begun < 5)
timer = threading.Timer(0.02, print, ("timer",))
timer.start()
timer.join()
