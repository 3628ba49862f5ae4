# SPDX-License-Identifier: MIT
"""alarm and setitimer against sleeps, in a program with threads."""

import signal
import threading
import time

stop = threading.Event()
threads = [threading.Thread(target=stop.wait) for _ in range(10)]
for thread in threads:
    thread.start()

rings = []
signal.signal(signal.SIGALRM, lambda number, frame: rings.append(number))
begun = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.1)
time.sleep(0.3)
print("slept on after the alarm:", len(rings),
      0.3 <= time.monotonic() - begun < 5)

rings.clear()
begun = time.monotonic()
signal.alarm(1)
signal.pause()
print("pause ended:", len(rings), 0.9 < time.monotonic() - begun < 5)


class Alarm(Exception):
    """Raised from the handler."""


def ring(number, frame):
    """End the sleep by an exception."""
    raise Alarm


signal.signal(signal.SIGALRM, ring)
begun = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    time.sleep(20)
except Alarm:
    print("sleep ended:", 0.1 <= time.monotonic() - begun < 5)

counted = []
signal.signal(signal.SIGALRM, lambda number, frame: counted.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(counted) < 10:
    time.sleep(0.005)
signal.setitimer(signal.ITIMER_REAL, 0)
print("ten rings")

signal.setitimer(signal.ITIMER_REAL, 0.1)
counted.clear()
total = 0
while not counted:
    total += 1
print("a loop was interrupted")
stop.set()
for thread in threads:
    thread.join()
