# SPDX-License-Identifier: MIT
"""multiprocessing: locks shared by processes, each of which has threads."""

import multiprocessing
import threading


def square(number):
    """Compute in a thread of the worker process."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(number ** 2))
    thread.start()
    thread.join()
    return answers[0]


def add(total, turns):
    """Add up in memory that all processes share."""
    for _ in range(turns):
        with total.get_lock():
            total.value += 1


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with context.Pool(4) as pool:
        print(sum(pool.map(square, range(200), chunksize=5)))
        print(sorted(pool.imap_unordered(square, range(10))))
    total = context.Value("i", 0)
    workers = [context.Process(target=add, args=(total, 500))
               for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(total.value, [worker.exitcode for worker in workers])
    line = context.Queue()
    worker = context.Process(target=line.put, args=("through a queue",))
    worker.start()
    print(line.get(timeout=20))
    worker.join()
