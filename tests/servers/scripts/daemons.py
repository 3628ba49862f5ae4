# SPDX-License-Identifier: MIT
"""The program ends while daemon threads wait for things that never come."""

import atexit
import os
import socket
import sys
import threading
import time

lock = threading.Lock()
lock.acquire()
left, right = socket.socketpair()
reader, writer = os.pipe()


def busy():
    """Never wait at all."""
    while True:
        pass


waits = [lambda: time.sleep(1000), lock.acquire, lambda: left.recv(1),
         lambda: os.read(reader, 1), threading.Event().wait, busy]
for wait in waits * 5:
    threading.Thread(target=wait, daemon=True).start()
atexit.register(lambda: print("atexit ran in", threading.current_thread()
                              .name))
time.sleep(0.1)
print(threading.active_count(), "threads")
sys.exit(7)
