# SPDX-License-Identifier: MIT
"""Signals that threads send to the process run their handler in main."""

import os
import signal
import threading
import time

caught = []
done = threading.Event()


def handler(number, frame):
    """Take note of the thread, which Python promises to be main."""
    caught.append((signal.Signals(number).name,
                   threading.current_thread() is threading.main_thread()))


def send(number):
    """Signal the process, then one thread of it, then oneself."""
    os.kill(os.getpid(), number)
    while len(caught) < 1:
        time.sleep(0.001)
    signal.pthread_kill(threading.main_thread().ident, number)
    while len(caught) < 2:
        time.sleep(0.001)
    signal.pthread_kill(threading.get_ident(), number)
    while len(caught) < 3:
        time.sleep(0.001)
    done.set()


def idle():
    """Be there while the signals come."""
    done.wait()


for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, handler)
    done.clear()
    caught.clear()
    threads = [threading.Thread(target=idle) for _ in range(20)]
    threads.append(threading.Thread(target=send, args=(number,)))
    for thread in threads:
        thread.start()
    while not done.is_set():
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    print(caught)

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
answers = []
waiters = [threading.Thread(target=lambda: answers.append(
    signal.sigwait([signal.SIGUSR2]).name)) for _ in range(3)]
for waiter in waiters:
    waiter.start()
for waiter in waiters:
    signal.pthread_kill(waiter.ident, signal.SIGUSR2)
for waiter in waiters:
    waiter.join()
print(answers)
print(signal.sigtimedwait([signal.SIGUSR2], 0.05))
