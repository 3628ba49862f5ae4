# SPDX-License-Identifier: MIT
"""500 threads sleep half a second each, all at once."""

import threading
import time

early = []


def nap():
    """Sleep, and take note when it was too short."""
    begun = time.monotonic()
    time.sleep(0.5)
    if time.monotonic() - begun < 0.5:
        early.append(1)


threads = [threading.Thread(target=nap) for _ in range(500)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(threads), "slept,", len(early), "too short")
