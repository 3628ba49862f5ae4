# SPDX-License-Identifier: MIT
"""A thread-per-connection echo server with 10,000 connections at once."""

import os
import selectors
import shlex
import socket
import subprocess
import time

from harness import HOST, ROOT, case, descriptors, find
from process import Failure

CONNECTIONS = 10000
ROUNDS = 3
AT_ONCE = 500
SOURCE = os.path.join(ROOT, "tests", "targets", "echo_server.c")


def build(folder):
    """Compile the server, so that the test needs nothing built before."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    find(compiler[0])
    program = os.path.join(folder, "echo_server")
    subprocess.run(compiler + ["-O2", "-pthread", "-o", program, SOURCE],
                   check=True, timeout=60)
    return program


class Crowd:
    """All the clients, in one thread, on one selector."""

    def __init__(self, port, limit):
        self.port = port
        self.end = time.monotonic() + limit
        self.selector = selectors.EpollSelector()
        self.socks = []

    def events(self):
        """Wait for some descriptors to be ready."""
        if time.monotonic() > self.end:
            raise Failure("the clients did not finish in time")
        return self.selector.select(1)

    def connect(self, count):
        """Open the connections, a batch at a time, and keep them open."""
        pending = 0
        while len(self.socks) < count or pending:
            while len(self.socks) < count and pending < AT_ONCE:
                sock = socket.socket()
                sock.setblocking(False)
                self.socks.append(sock)
                sock.connect_ex((HOST, self.port))
                self.selector.register(sock, selectors.EVENT_WRITE)
                pending += 1
            for key, _ in self.events():
                self.selector.unregister(key.fileobj)
                pending -= 1
                error = key.fileobj.getsockopt(socket.SOL_SOCKET,
                                               socket.SO_ERROR)
                if error:
                    raise Failure(f"connect: {os.strerror(error)}")

    def message(self, number, turn):
        """Return what one client says: no two say the same."""
        return b"%d says %d;" % (number, turn) * (1 + number % 20)

    def talk(self, turn):
        """Let every client speak before anybody listens; count the good."""
        for number, sock in enumerate(self.socks):
            text = self.message(number, turn)
            if sock.send(text) != len(text):
                raise Failure("a short send")
            if turn == 0:
                self.selector.register(sock, selectors.EVENT_READ)
        missing = {sock: self.message(number, turn)
                   for number, sock in enumerate(self.socks)}
        while missing:
            for key, _ in self.events():
                sock = key.fileobj
                data = sock.recv(4096)
                expected = missing.get(sock, b"")
                if not data or not expected.startswith(data):
                    raise Failure(f"got {data[:40]!r} for {expected[:40]!r}")
                missing[sock] = expected[len(data):]
                if not missing[sock]:
                    del missing[sock]
        return len(self.socks)

    def hang_up(self):
        """Say that there is no more; return how many ends were clean."""
        ends = set()
        for sock in self.socks:
            sock.shutdown(socket.SHUT_WR)
        while len(ends) < len(self.socks):
            for key, _ in self.events():
                if key.fileobj.recv(1) != b"":
                    raise Failure("more than was sent")
                self.selector.unregister(key.fileobj)
                ends.add(key.fileobj)
        return len(ends)

    def close(self):
        """Give the descriptors back."""
        for sock in self.socks:
            sock.close()
        self.selector.close()


@case("echo", needs=[])
def echo(side):
    """Every connection stays open until all have talked three times."""
    with descriptors(CONNECTIONS + 100):
        server = side.spawn([build(side.folder), "--serve"])
        server.wait_output(b"\n")
        port = int(server.output().split()[1])
        crowd = Crowd(port, 40)
        begun = time.monotonic()
        try:
            crowd.connect(CONNECTIONS)
            answers = [crowd.talk(turn) for turn in range(ROUNDS)]
            time.sleep(0.05)    # for the threads to be counted
            side.note(f"{time.monotonic() - begun:.1f} s for "
                      f"{CONNECTIONS} connections")
            ends = crowd.hang_up()
        finally:
            crowd.close()
        side.check_threads(server, CONNECTIONS)
        status = server.stop()
        served = server.output().splitlines()[1:]
        return {"answers": answers, "clean ends": ends,
                "exit status": status, "last words": served}
