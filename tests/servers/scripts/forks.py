# SPDX-License-Identifier: MIT
"""os.fork in threads: each child goes on alone and makes threads again."""

import os
import threading
import time

results = {}
stop = threading.Event()


def child(number, writer):
    """Work with new threads in the child and report through the pipe."""
    sums = []
    threads = [threading.Thread(
        target=lambda part: (time.sleep(0.01), sums.append(part)),
        args=(part,)) for part in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(writer, f"{number}: {sum(sums)}".encode())
    os._exit(number)


def work(number):
    """Fork, read what the child says, and wait for it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        child(number, writer)
    os.close(writer)
    text = b""
    while data := os.read(reader, 100):
        text += data
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    results[number] = text.decode(), status


idle = [threading.Thread(target=stop.wait) for _ in range(5)]
threads = [threading.Thread(target=work, args=(number,))
           for number in range(12)]
for thread in idle:
    thread.start()
for thread in threads:
    thread.start()
    # A fork must not copy another thread's pipe: its reader would not end.
    thread.join()
stop.set()
for thread in idle:
    thread.join()
for number in sorted(results):
    print(number, results[number])
