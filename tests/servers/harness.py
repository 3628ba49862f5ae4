# SPDX-License-Identifier: MIT
"""Start programs natively and under copatch, watch them and stop them."""

import contextlib
import os
import resource
import shutil
import socket
import sys
import time

from process import Process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
LIBRARY = os.path.join(BUILD, "libcopatch.so")
PYTHON = "/usr/bin/python3"
HOST = "127.0.0.1"
CASES, LONG_CASES = [], []


class Skip(Exception):
    """The test cannot run here, for the reason given."""


def case(name, needs=(), long=False):
    """Register a scenario: it runs once per side and returns its answers.

    The long ones run in `make test-long` only.
    """
    def register(function):
        (LONG_CASES if long else CASES).append((name, needs, function))
        return function
    return register


def find(program):
    """Return the program's path; sbin is not on every user's PATH."""
    path = shutil.which(program, path=os.environ.get("PATH", "") +
                        ":/usr/local/sbin:/usr/sbin:/sbin")
    if path is None:
        raise Skip(f"{program} is not installed")
    return path


def free_port():
    """Let the kernel name a port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return sock.getsockname()[1]


def listening(port):
    """Say whether somebody accepts on the port.

    A probe of an ephemeral port may be given that same port as its own and
    so connect to itself: that is nobody.
    """
    with socket.socket() as sock:
        sock.settimeout(1)
        try:
            sock.connect((HOST, port))
        except OSError:
            return False
        return sock.getsockname() != sock.getpeername()


def usual_limits():
    """Take a login's 1024 descriptors, and no cores; children inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    soft = 1024 if hard == resource.RLIM_INFINITY else min(1024, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


@contextlib.contextmanager
def descriptors(count):
    """Allow more descriptors for a while, or skip the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Skip(f"the hard limit of descriptors is {hard}, below {count}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Side:
    """One of the two ways to run: natively or under copatch."""

    def __init__(self, name, folder, copatch):
        self.name = name
        self.folder = folder
        self.copatch = copatch
        self.processes = []
        self.notes = []
        self.env = {key: value for key, value in os.environ.items()
                    if key not in ("LD_PRELOAD", "LISTEN_FDS")
                    and (copatch or not key.startswith("COPATCH_"))}
        self.env.update(LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1",
                        TMPDIR=folder)

    def note(self, text):
        """Keep a remark; remarks are printed and never compared."""
        self.notes.append(f"{self.name}: {text}")

    def spawn(self, argv, limit=60):
        """Start the program on this side."""
        process = Process(argv, self.env, self.folder, limit,
                          LIBRARY if self.copatch else None)
        self.processes.append(process)
        return process

    def serve(self, make_argv, limit=60):
        """Start a server on a free port and wait until it accepts."""
        for attempt in range(3):
            port = free_port()
            process = self.spawn(make_argv(port), limit)
            process.port = port
            while process.alive():
                if listening(port):
                    return process
                if time.monotonic() > process.begun + 50:
                    raise process.fail("does not accept after 50 s")
                time.sleep(0.01)
            if not any("in use" in line for line in process.tail()):
                break
        raise process.fail(f"ended at its start, status {process.wait()}")

    def run(self, argv, limit=30):
        """Run the program to its end; return it with its exit status."""
        process = self.spawn(argv, limit)
        return process, process.wait()

    def check_threads(self, process, at_least):
        """Natively the program has many threads, under copatch only one."""
        self.note(process.threads.text())
        why = process.threads.fault(at_least)
        if why:
            raise process.fail(why)

    def tail(self):
        """Return the last lines of every program that said something."""
        return [f"{process.name}: {line}" for process in self.processes
                for line in process.tail()]

    def close(self):
        """End whatever the scenario has left running."""
        for process in self.processes:
            process.close()


def comment(text):
    """Print a remark that no reader of the results mistakes for one."""
    print("#", text)
    sys.stdout.flush()
