# SPDX-License-Identifier: MIT
"""Count the kernel threads of a running program, again and again."""

import os
import threading

HELPER = "copatch-helper"


class Threads:
    """Sample /proc/PID in a thread of its own until told to stop.

    A helper bears its creator's name for the instant between its start and
    its naming of itself, so a thread counts as no helper only when two
    samples in a row say so.
    """

    def __init__(self, pid, copatch):
        self.pid = pid
        self.copatch = copatch
        self.samples = 0
        self.peak = 0
        self.plain = 0
        self.helpers = 0
        self.memory = 0
        self.suspects = set()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._sample_all, daemon=True)
        self.thread.start()

    def _sample_all(self):
        while not self.over.wait(0.01):
            self.sample()

    def sample(self):
        """Look once; a program that has just ended tells nothing."""
        try:
            with open(f"/proc/{self.pid}/comm") as file:
                if file.read().strip() in ("setpriv", "env"):
                    return
            with open(f"/proc/{self.pid}/status") as file:
                status = dict(line.split(":", 1) for line in file)
            self.peak = max(self.peak, int(status["Threads"]))
            self.memory = max(self.memory,
                              int(status.get("VmRSS", "0 kB").split()[0]))
            if self.copatch:
                self._tell_helpers()
            self.samples += 1
        except (OSError, KeyError, ValueError):
            pass

    def _tell_helpers(self):
        plain, helpers = set(), 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                with open(f"/proc/{self.pid}/task/{task}/comm") as file:
                    name = file.read().strip()
            except OSError:
                continue
            if name == HELPER:
                helpers += 1
            else:
                plain.add(task)
        self.helpers = max(self.helpers, helpers)
        self.plain = max(self.plain, len(plain & self.suspects))
        self.suspects = plain

    def stop(self):
        """End the sampling."""
        self.over.set()
        self.thread.join()

    def text(self):
        """Return the counts in words."""
        extra = f" + {self.helpers} helpers" if self.copatch else ""
        count = self.plain if self.copatch else self.peak
        return (f"at most {count} kernel threads{extra}, "
                f"{self.memory / 1024:.1f} MB resident")

    def fault(self, at_least):
        """Say what is wrong with the counts, or None."""
        if self.copatch:
            if self.plain > 1:
                return f"{self.plain} kernel threads that are no helpers"
            return None if self.samples else "no sample of its threads"
        if self.peak < at_least:
            return f"only {self.peak} threads, {at_least} expected natively"
        return None
