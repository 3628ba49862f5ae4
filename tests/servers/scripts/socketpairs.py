# SPDX-License-Identifier: MIT
"""Pairs of threads that talk over socket pairs, with time limits and ends."""

import hashlib
import socket
import threading

results = {}


def echo(sock):
    """Send everything back until the other end is closed."""
    with sock:
        while data := sock.recv(10000):
            sock.sendall(data)


def talk(sock, number):
    """Send more than a buffer holds while a third thread receives."""
    sent = bytes([number]) * 1500000

    def receive():
        got = b""
        while len(got) < len(sent):
            got += sock.recv(65536)
        results[number] = got == sent, hashlib.md5(got).hexdigest()

    receiver = threading.Thread(target=receive)
    receiver.start()
    sock.sendall(sent)
    receiver.join()
    sock.settimeout(0.05)
    try:
        sock.recv(1)
    except TimeoutError:
        results[number] += ("timed out",)
    sock.setblocking(False)
    try:
        sock.recv(1)
    except BlockingIOError:
        results[number] += ("would block",)
    sock.setblocking(True)
    sock.shutdown(socket.SHUT_WR)
    results[number] += (sock.recv(1),)
    sock.close()


threads = []
for number in range(30):
    left, right = socket.socketpair()
    threads += [threading.Thread(target=echo, args=(left,)),
                threading.Thread(target=talk, args=(right, number))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in sorted(results):
    print(number, results[number])
