# SPDX-License-Identifier: MIT
"""Deadlocks are named on stderr: which are, which are not, and how often."""

import re
import signal
import time

from harness import case, check, running, target

HEAD = b"copatch: deadlock: "


def told(program, threads=2):
    """The lines about single threads, once they are complete."""
    program.wait_for(lambda: HEAD in program.err and
                     program.err.endswith(b"\n") and
                     program.err.count(b"\n") > threads, "deadlock on stderr")
    time.sleep(0.1)     # for what would be too much
    program.read()
    return program.err.decode().splitlines()


def silent(mode):
    with running(target("deadlock"), mode) as program:
        program.line("0x")
        time.sleep(0.5)
        program.read()
        check(program.process.poll() is None, mode, "has ended")
        check(not program.err, mode, program.err)


def two_locks(mode):
    with running(target("deadlock"), mode) as program:
        a, b = program.line("0x")
        pid = program.pid
        lines = told(program)
        check(len(lines) == 3, lines)
        check("every thread waits, these for one another" in lines[0], lines)
        other = re.search(r"\d+ \(other\)", lines[1] + lines[2])[0]
        expected = {
            f"copatch:   {pid} (deadlock) waits for mutex {b}, held by {other}",
            f"copatch:   {other} waits for mutex {a}, held by {pid} (deadlock)",
        }
        check(set(lines[1:]) == expected, lines)


@case
def deadlock_mutex():
    two_locks("mutex")


@case
def deadlock_recursive():
    two_locks("recursive")


@case
def deadlock_robust():
    two_locks("robust")


@case
def deadlock_inherit():
    two_locks("inherit")


@case
def deadlock_self():
    with running(target("deadlock"), "self") as program:
        a, _ = program.line("0x")
        lines = told(program, 1)
        owner = f"{program.pid} (deadlock)"
        check(lines[1:] == [f"copatch:   {owner} waits for mutex {a}, held by {owner}"],
              lines)


@case
def deadlock_join():
    with running(target("deadlock"), "join") as program:
        lines = told(program)
        check(len(lines) == 3, lines)
        check(any("waits for the end of" in line and "(other)" in line
                  for line in lines), lines)


@case
def deadlock_two_joins():
    with running(target("deadlock"), "crossjoin") as program:
        lines = told(program)
        check(any("(other) waits for the end of" in line for line in lines), lines)
        check(any("(deadlock) waits for mutex" in line for line in lines), lines)


@case
def deadlock_rwlock():
    with running(target("deadlock"), "rwlock") as program:
        lines = told(program)
        check(any("(deadlock) waits for rwlock" in line and "(other)" in line
                  for line in lines), lines)


@case
def deadlock_without_circle():
    with running(target("deadlock"), "cond") as program:
        lines = told(program)
        check("nothing is left that could wake one" in lines[0], lines)
        check(len(lines) == 3, lines)
        check(any("(other) waits at futex" in line for line in lines), lines)


@case
def deadlock_told_once():
    """A handler runs, and everybody waits again as before."""
    with running(target("deadlock"), "circle-handled") as program:
        program.line("0x")
        first = told(program)
        for turn in range(1, 4):
            program.process.send_signal(signal.SIGUSR1)
            program.wait_for(lambda: program.out.count(b"signal") >= turn, "signal")
        time.sleep(0.2)
        program.read()
        check(program.err.decode().splitlines() == first, program.err)


@case
def deadlock_silent_where_a_handler_may_help():
    silent("handled")


@case
def deadlock_silent_in_pause():
    silent("idle-pause")


@case
def deadlock_silent_with_a_deadline():
    silent("idle-timed")


@case
def deadlock_abort():
    for env, expected in (({"COPATCH_DEADLOCK_ABORT": "1"}, -signal.SIGABRT),
                          ({"COPATCH_DEADLOCK_ABORT": "0"}, None)):
        with running(target("deadlock"), "mutex", env=env) as program:
            told(program)
            if expected:
                program.process.wait(60)
            time.sleep(0.2)
            check(program.process.poll() == expected, env, program.process.poll())
