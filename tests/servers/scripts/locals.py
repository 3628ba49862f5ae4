# SPDX-License-Identifier: MIT
"""What belongs to one thread: locals, names, identifiers, exceptions."""

import ctypes
import os
import sys
import threading
import time

own = threading.local()
kept, identifiers = [], set()
gate = threading.Barrier(50)
libc = ctypes.CDLL(None, use_errno=True)


def work(number):
    """Keep values of one's own while the others run."""
    own.value = number
    ctypes.set_errno(number)
    gate.wait()
    identifiers.add(threading.get_native_id())
    time.sleep(0.01)
    assert libc.close(-1 - number) == -1
    kept.append(own.value == number and ctypes.get_errno() == 9)
    gate.wait()


threads = [threading.Thread(target=work, args=(number,), name=f"t{number}")
           for number in range(50)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(kept.count(True), len(identifiers), os.getpid() not in identifiers,
      threading.get_native_id() == os.getpid())
print(sorted(thread.name for thread in threads)[:5])

threading.excepthook = lambda args: print("hook:", args.exc_value)
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
threading.stack_size(256 * 1024)


def deep(count):
    """Use some of the stack."""
    return count and 1 + deep(count - 1)


answers = []
sys.setrecursionlimit(2000)
threads = [threading.Thread(target=lambda: answers.append(deep(500)))
           for _ in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(answers)
for turn in range(200):
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
print(threading.active_count())
