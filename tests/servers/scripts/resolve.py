# SPDX-License-Identifier: MIT
"""getaddrinfo in 50 threads at once."""

import collections
import socket
import threading

found = collections.Counter()


def resolve(number):
    """Ask for names and services that the local files answer."""
    for family in (socket.AF_INET, socket.AF_UNSPEC):
        answer = socket.getaddrinfo("localhost", 80 + number % 5, family,
                                    socket.SOCK_STREAM)
        found[str(sorted(answer))] += 1
    found[socket.getfqdn("127.0.0.1")] += 1
    try:
        socket.getaddrinfo("256.1.1.1.", None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror as error:
        found[str(error)] += 1


threads = [threading.Thread(target=resolve, args=(number,))
           for number in range(50)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for text in sorted(found):
    print(found[text], text)
