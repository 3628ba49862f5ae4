# SPDX-License-Identifier: MIT
"""Pipes, FIFOs, select and poll in threads, and files that are locked."""

import fcntl
import os
import select
import tempfile
import threading
import time

results = []


def relay(reader, writer):
    """Pass everything on, a line at a time through stdio-like buffers."""
    with open(reader, "rb") as source, open(writer, "wb") as sink:
        for line in source:
            sink.write(line)


def chain(length=20, lines=3000):
    """Send lines through a chain of threads and pipes."""
    pipes = [os.pipe() for _ in range(length + 1)]
    threads = [threading.Thread(
        target=relay, args=(pipes[number][0], pipes[number + 1][1]))
        for number in range(length)]
    for thread in threads:
        thread.start()

    def feed():
        with open(pipes[0][1], "w") as sink:
            for number in range(lines):
                print("line", number, file=sink)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with open(pipes[-1][0]) as source:
        total = sum(int(line.split()[1]) for line in source)
    for thread in threads + [feeder]:
        thread.join()
    return total


def fifo(folder):
    """Open a FIFO in two threads: each waits for the other."""
    path = os.path.join(folder, "fifo")
    os.mkfifo(path)

    def write():
        with open(path, "w") as sink:
            sink.write("through the fifo")

    writer = threading.Thread(target=write)
    writer.start()
    with open(path) as source:
        text = source.read()
    writer.join()
    return text


def locked(folder):
    """Let threads wait for a file lock that another description holds."""
    path = os.path.join(folder, "lock")
    order = []

    def take(number):
        with open(path, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            order.append(("in", number))
            time.sleep(0.005)
            order.append(("out", number))

    threads = [threading.Thread(target=take, args=(number,))
               for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return all(order[at][1] == order[at + 1][1]
               for at in range(0, len(order), 2)), len(order)


def ready():
    """Wait by select and by poll, with and without time limits."""
    reader, writer = os.pipe()
    timer = threading.Timer(0.05, os.write, (writer, b"xy"))
    print(select.select([reader], [], [], 0.01))
    timer.start()
    readable, _, _ = select.select([reader], [], [], 10)
    answer = [readable == [reader], os.read(reader, 1)]
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    answer += [len(poll.poll(10000)), os.read(reader, 1), poll.poll(20)]
    timer.join()
    os.close(writer)
    answer.append(poll.poll(10000)[0][1] & select.POLLHUP != 0)
    os.close(reader)
    return answer


print(chain())
with tempfile.TemporaryDirectory() as place:
    print(fifo(place))
    print(locked(place))
print(ready())
