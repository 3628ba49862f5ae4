# SPDX-License-Identifier: MIT
"""copatch top, on a terminal of our own whose screen is read."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from harness import COPATCH, Skip, Wrong, case, check, copatch, running, target
from looks import THREADS, parsed, states

try:
    import pyte
except ImportError:
    pyte = None


class Terminal:
    """copatch top PID, and what the screen shows."""

    def __init__(self, *args, lines=30, columns=160, term="xterm"):
        if not pyte:
            raise Skip("python3-pyte is not installed")
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.pid, self.master = pty.fork()
        if not self.pid:
            os.environ["TERM"] = term
            os.execv(COPATCH, [COPATCH, *map(str, args)])
        self.status = None
        self.resize(lines, columns)

    def resize(self, lines, columns):
        self.screen.resize(lines, columns)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ,
                    struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys):
        os.write(self.master, keys)

    def read(self, seconds):
        """Let the screen follow for so long, or to the end of the program."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.status is None:
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            if data:
                self.stream.feed(data)
                end = max(end, time.monotonic() + 0.05)     # to the end of a picture
            else:
                self.status = os.waitstatus_to_exitcode(
                    os.waitpid(self.pid, 0)[1])

    def text(self):
        return [line.rstrip() for line in self.screen.display]

    def wait_for(self, seen, what, seconds=60):
        def is_seen():
            try:
                return seen(self.text())
            except (IndexError, ValueError):    # half a picture
                return False

        end = time.monotonic() + seconds
        while not is_seen():
            if time.monotonic() > end or self.status is not None:
                raise Wrong(f"no {what}; status {self.status}, screen:\n" +
                            "\n".join(self.text()))
            self.read(0.1)

    def close(self):
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)


@contextlib.contextmanager
def top(*args, **more):
    terminal = Terminal("top", *args, **more)
    try:
        yield terminal
    finally:
        terminal.close()


def rows(text):
    """The table: lists of words by row."""
    return [line.split() for line in text if re.match(r" *\d+ ", line)]


@case
def top_sorted_by_time():
    with states("spin") as (program, knows), top(program.pid) as terminal:
        tid = str(knows["spinner"][0])

        def spins(text):
            table = rows(text)
            return table and table[0][0] == tid and float(table[0][3]) > 1
        terminal.wait_for(spins, "row of the spinner on top")
        text = terminal.text()
        check(f"process {program.pid}: {THREADS} coroutines, 1 running" in text[0], text[0])
        check("by processor time" in text[1], text[1])
        check(any("count_for_ever" in line for line in text), text)
        check(len(rows(text)) == THREADS, text)
        locker = [row for row in rows(text) if row[1] == "locker"]
        check("mutex" in locker[0] and "held" in locker[0], locker)


PACED = """
import ctypes, threading, time
def named(name, body):
    def start():
        ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)
        body()
    threading.Thread(target=start, daemon=True).start()
def often():
    while True: time.sleep(0.004)
def half():
    while True:
        end = time.thread_time() + 0.02
        while time.thread_time() < end: pass
        time.sleep(0.02)
named("often", often); named("half", half)
print("ready", flush=True)
threading.Event().wait()
"""


def figures_of(pid):
    """By name: time, processor time, switches; as ps has them."""
    status, out, err = copatch("ps", "--json", pid)
    check(status == 0, err)
    return time.monotonic(), {co["name"]: (co["cpu_ns"], co["switches"], co["for_ns"])
                              for co in json.loads(out)["coroutines"]}


def alike(text, before, after):
    """What top shows is what ps saw around it, shares and rates a third more or less."""
    took = after[0] - before[0]
    for row in rows(text):
        name, share, rate = row[1], float(row[3]), int(row[5])
        old, new = before[1][name], after[1][name]
        cpu = (new[0] - old[0]) / took / 1e7
        switches = (new[1] - old[1]) / took
        if not 0.66 * cpu - 2 < share < 1.5 * cpu + 2:
            return False
        if not 0.66 * switches - 2 < rate < 1.5 * switches + 2:
            return False
        value, step = parsed(row[4])
        if not old[0] - step <= value <= new[0] + step:
            return False
        if name.startswith("python3"):      # the others are not parked all the time
            value, step = parsed(row[6])
            if not old[2] - step <= value <= new[2] + step:
                return False
    return len(rows(text)) == 3


@case
def top_figures():
    """Shares and rates: a busy machine may differ from one second to the next."""
    with running("/usr/bin/python3", "-c", PACED) as program:
        program.line("ready")
        with top(program.pid) as terminal:
            terminal.wait_for(lambda text: len(rows(text)) == 3, "table")
            for _ in range(20):
                before = figures_of(program.pid)
                terminal.read(2.1)
                text = terminal.text()
                after = figures_of(program.pid)
                with contextlib.suppress(IndexError, KeyError, ValueError):
                    if alike(text, before, after):
                        break
            else:
                raise Wrong("shares and rates of another program:\n" + "\n".join(text))
            table = {row[1]: row for row in rows(text)}
            check([row[1] for row in rows(text)][0] == "half", text)
            check(float(table["half"][3]) > 0 and int(table["often"][5]) > 0, text)
            main = table[[name for name in table if name.startswith("python3")][0]]
            check(main[2] == "parked" and "semaphore" in " ".join(main), text)
            terminal.press(b"w")
            terminal.wait_for(lambda text: rows(text)[0][1].startswith("python3"),
                              "who waits longest on top")
            terminal.press(b"s")
            terminal.wait_for(lambda text: rows(text)[0][1] == "often",
                              "who switches most on top")


@case
def top_keys():
    with states() as (program, _), top(program.pid) as terminal:
        terminal.wait_for(lambda text: len(rows(text)) == THREADS, "table")
        terminal.press(b"w")
        terminal.wait_for(lambda text: "by waiting time" in text[1] and "main" in [
            row[1] for row in rows(text)][THREADS - 3:], "order")
        terminal.press(b"s")
        terminal.wait_for(lambda text: "by switches" in text[1], "order")
        terminal.press(b"c")
        terminal.wait_for(lambda text: "by processor time" in text[1], "order")
        check(terminal.status is None, terminal.status)
        terminal.press(b"q")
        terminal.read(60)
        check(terminal.status == 0, terminal.status)


@case
def top_resized():
    with states() as (program, _), top(program.pid, lines=12, columns=60) as terminal:
        terminal.wait_for(lambda text: len(rows(text)) == 9, "nine rows")
        first = rows(terminal.text())[0][0]
        terminal.press(b"\x1bOB")       # down
        terminal.wait_for(lambda text: rows(text) and rows(text)[0][0] != first,
                          "other row on top")
        terminal.resize(40, 150)
        terminal.wait_for(lambda text: len(rows(text)) == THREADS and
                          any(len(line) > 100 for line in text), "whole table")
        terminal.resize(2, 20)
        terminal.read(2.5)
        check(terminal.status is None, terminal.status)
        terminal.resize(30, 100)
        terminal.wait_for(lambda text: len(rows(text)) == THREADS, "table again")


@case
def top_process_ends():
    with running(target("deadlock"), "idle-pause") as program:
        program.line("0x")
        with top(program.pid) as terminal:
            terminal.wait_for(lambda text: len(rows(text)) == 2, "table")
            program.process.kill()
            program.process.wait()
            terminal.read(60)
            check(terminal.status == 0, terminal.status)
            check(any(f"process {program.pid} has ended" in line
                      for line in terminal.text()), terminal.text())


@case
def top_process_stopped():
    with states("spin") as (program, knows):
        program.process.send_signal(signal.SIGSTOP)
        with top(program.pid) as terminal:
            terminal.wait_for(lambda text: len(rows(text)) == THREADS, "table")
            terminal.read(2)
            check(terminal.status is None, terminal.status)


@case
def top_unknown_terminal():
    with states() as (program, _), \
            top(program.pid, term="no-such-terminal") as terminal:
        terminal.read(60)
        check(terminal.status == 125, terminal.status)
        check(any("this terminal is not known" in line
                  for line in terminal.text()), terminal.text())
