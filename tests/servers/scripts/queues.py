# SPDX-License-Identifier: MIT
"""Producers and consumers on every kind of queue, with and without bounds."""

import queue
import threading


def run(kind, bound, producers=8, consumers=5, items=200):
    """Send numbers through one queue; return how many came and their sum."""
    line = kind(bound)
    sums = []

    def produce(base):
        for number in range(items):
            line.put(base * items + number)

    def consume():
        total = count = 0
        while True:
            item = line.get()
            line.task_done()
            if item == -1:
                sums.append((count, total))
                return
            total += item
            count += 1

    makers = [threading.Thread(target=produce, args=(base,))
              for base in range(producers)]
    eaters = [threading.Thread(target=consume) for _ in range(consumers)]
    for thread in makers + eaters:
        thread.start()
    for thread in makers:
        thread.join()
    line.join()
    for _ in eaters:
        line.put(-1)
    for thread in eaters:
        thread.join()
    return [sum(column) for column in zip(*sums)]


for kind in (queue.Queue, queue.LifoQueue, queue.PriorityQueue):
    for bound in (1, 7, 0):
        print(kind.__name__, bound, run(kind, bound))

simple = queue.SimpleQueue()
reader = threading.Thread(
    target=lambda: print(sum(simple.get() for _ in range(100))))
reader.start()
for number in range(100):
    simple.put(number)
reader.join()
for action in (lambda: queue.Queue().get(timeout=0.05),
               lambda: simple.get(timeout=0.05),
               lambda: queue.Queue().get_nowait()):
    try:
        action()
    except queue.Empty:
        print("empty")
