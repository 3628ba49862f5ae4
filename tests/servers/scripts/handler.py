# SPDX-License-Identifier: MIT
"""End cleanly on SIGTERM: the handler tells the threads to stop."""

import signal
import sys
import threading
import time

stop = threading.Event()
ended = []


def work(number):
    """Do small pieces of work until told to stop."""
    while not stop.wait(0.01 * number):
        time.sleep(0.001)
    ended.append(number)


signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
threads = [threading.Thread(target=work, args=(number,))
           for number in range(20)]
for thread in threads:
    thread.start()
print("ready", flush=True)
for thread in threads:
    thread.join()
print(sorted(ended))
sys.exit(3)
