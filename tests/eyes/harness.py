# SPDX-License-Identifier: MIT
"""Start programs under copatch, look at them from outside, and report."""

import contextlib
import os
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
LIBRARY = os.path.join(BUILD, "libcopatch.so")
COPATCH = os.path.join(BUILD, "copatch")
CASES = []


class Skip(Exception):
    """The test cannot run here, for the reason given."""


class Wrong(Exception):
    """What was seen is not what should be."""


def case(function):
    """Register a test by the function's name."""
    CASES.append((function.__name__.replace("_", "-"), function))
    return function


def check(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(part) for part in what)[:1500])


def target(name):
    return os.path.join(BUILD, "tests", "eyes", name)


class Program:
    """A program under copatch that says on stdout what it knows."""

    def __init__(self, argv, native=False, env=(), **more):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("COPATCH_")}
        if not native:
            environment["LD_PRELOAD"] = LIBRARY
        environment.update(env)
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=environment, **more)
        self.pid = self.process.pid
        self.err = b""
        self.out = b""
        for stream in (self.process.stdout, self.process.stderr):
            os.set_blocking(stream.fileno(), False)

    def read(self):
        self.out += self.process.stdout.read() or b""
        self.err += self.process.stderr.read() or b""

    def wait_for(self, seen, what, seconds=60):
        """Read on until seen() holds."""
        end = time.monotonic() + seconds
        while True:
            self.read()
            if seen():
                return
            if time.monotonic() > end:
                raise Wrong(f"no {what} in {seconds} s; stdout {self.out!r}, "
                            f"stderr {self.err!r}")
            time.sleep(0.01)

    def line(self, start):
        """Wait for a line that begins so, and return its words."""
        def found():
            return any(line.startswith(start.encode())
                       for line in self.out.split(b"\n")[:-1])
        self.wait_for(found, f"line '{start}'")
        return [line.decode().split() for line in self.out.split(b"\n")[:-1]
                if line.startswith(start.encode())][-1]

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


@contextlib.contextmanager
def running(*argv, **more):
    program = Program(list(argv), **more)
    try:
        yield program
    finally:
        program.end()


def copatch(*args, seconds=60, **more):
    """Run the command; return status, stdout and stderr."""
    done = subprocess.run([COPATCH, *map(str, args)], capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=seconds,
                          check=False, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def run_all(only="*"):
    import fnmatch
    failed = 0
    for name, function in CASES:
        if not fnmatch.fnmatch(name, only):
            continue
        try:
            function()
            print(f"ok - eyes/{name}", flush=True)
        except Skip as why:
            print(f"ok - eyes/{name} # SKIP {why}", flush=True)
        except Exception as error:
            failed += 1
            text = str(error).splitlines() or [""]
            print(f"not ok - eyes/{name} # {type(error).__name__} {text[0]}",
                  flush=True)
            for line in text[1:20]:
                print(f"# {line}", flush=True)
    sys.exit(1 if failed else 0)
