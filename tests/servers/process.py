# SPDX-License-Identifier: MIT
"""One started program: its time limit, its output, its signals, its end."""

import os
import signal
import subprocess
import threading
import time

from threads import Threads


class Failure(Exception):
    """The test has failed; tail holds the last lines of the program."""

    def __init__(self, why, tail=()):
        super().__init__(why)
        self.tail = list(tail)


class Process:
    """One program in a process group of its own, with a hard time limit."""

    def __init__(self, argv, env, folder, limit, preload):
        self.name = os.path.basename(argv[0])
        self.preload = preload
        self.expired = None
        self.port = None
        self.reaped = False
        self.lock = threading.Lock()
        stem = os.path.join(folder, f".{self.name}.{time.monotonic_ns()}")
        self.out_path, self.err_path = stem + ".out", stem + ".err"
        if preload:
            # Through env, so that setpriv itself stays outside copatch.
            argv = ["/usr/bin/env", "LD_PRELOAD=" + preload] + argv
        if os.path.exists("/usr/bin/setpriv"):
            # A harness that is killed leaves no server behind.
            argv = ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"] + argv
        with open(self.out_path, "wb") as out, \
                open(self.err_path, "wb") as err:
            self.begun = time.monotonic()
            self.popen = subprocess.Popen(
                argv, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, process_group=0)
        self.pid = self.popen.pid
        self.threads = Threads(self.pid, bool(preload))
        self._arm(limit)

    def _arm(self, limit):
        self.watchdog = threading.Timer(limit, self._expire, (limit,))
        self.watchdog.daemon = True
        self.watchdog.start()

    def _expire(self, limit):
        self.expired = f"still running after {limit:g} s{self.place()}"
        self._kill_group()

    def place(self):
        """Say where in the kernel the program's first thread waits."""
        facts = []
        for name in ("wchan", "syscall"):
            try:
                with open(f"/proc/{self.pid}/{name}") as file:
                    facts.append(f"{name} {file.read().strip()}")
            except OSError:
                pass
        return f" ({', '.join(facts)})"

    def _kill_group(self):
        with self.lock:
            if not self.reaped:
                try:
                    os.killpg(self.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def tail(self, count=20):
        """Return the last lines that the program wrote to stderr."""
        with open(self.err_path, errors="replace") as err:
            return err.read().splitlines()[-count:]

    def output(self):
        """Return what the program wrote to stdout so far."""
        with open(self.out_path, "rb") as out:
            return out.read()

    def alive(self):
        """Say whether the program still runs, without reaping it."""
        return not self.reaped and os.waitid(
            os.P_PID, self.pid,
            os.WEXITED | os.WNOWAIT | os.WNOHANG) is None

    def fail(self, why):
        """Return a Failure that names the program and shows its stderr."""
        if self.alive():
            why += self.place()
        return Failure(f"{self.name}: {why}", self.tail())

    def wait_output(self, text, limit=50):
        """Wait until the program's stdout contains the text."""
        end = time.monotonic() + limit
        while text not in self.output():
            if not self.alive():
                raise self.fail(f"ended before it wrote {text!r}, "
                                f"status {self.wait()}")
            if time.monotonic() > end:
                raise self.fail(f"did not write {text!r} in {limit} s")
            time.sleep(0.005)

    def signal(self, number):
        """Send a signal to the program, which has not been reaped yet."""
        if not self.reaped:
            os.kill(self.pid, number)

    def wait(self):
        """Wait for the end and return the exit status.

        The rest of the group is killed before the leader is reaped: until
        then its number cannot name anybody else's processes.
        """
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.seconds = time.monotonic() - self.begun
        self.watchdog.cancel()
        self.threads.stop()
        self._kill_group()
        with self.lock:
            self.reaped = True
            status = self.popen.wait()
        if self.expired:
            raise self.fail(self.expired)
        return status

    def stop(self, limit=30):
        """Ask the program to end with SIGTERM and return its exit status."""
        if not self.alive():
            raise self.fail(f"had ended before SIGTERM, status {self.wait()}")
        self.watchdog.cancel()
        self._arm(limit)
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self):
        """End the program whatever it does, and reap it."""
        self._kill_group()
        if not self.reaped:
            self.expired = None
            self.wait()
