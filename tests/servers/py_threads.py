# SPDX-License-Identifier: MIT
"""Short threaded Python programs, whose output must stay the same."""

import functools
import os
import signal
import time

from harness import PYTHON, case

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")


def script(name):
    """Return the command that runs the script, without user settings."""
    return [PYTHON, "-I", "-X", "faulthandler",
            os.path.join(SCRIPTS, name + ".py")]


def plain(name, side):
    """Run the script to its end and return all that it says."""
    process, status = side.run(script(name), 60)
    if process.threads.samples:
        side.check_threads(process, 1)
    side.note(f"{process.seconds:.2f} s")
    if status not in (0, 7):
        raise process.fail(f"exit status {status}")
    return {"output": process.output(), "exit status": status}


for NAME in ("queues", "sync", "subprocesses", "resolve", "hashing",
             "socketpairs", "sigterm", "forks", "alarms", "daemons",
             "loops", "pools", "locals", "pipes", "services", "database"):
    case("py_" + NAME, [PYTHON])(functools.partial(plain, NAME))


@case("py_sleepers", [PYTHON])
def sleepers(side):
    """500 threads that sleep half a second end within a second.

    A busy machine may delay any single run, so the best of ten counts.
    """
    times, output = [], b""
    while len(times) < 10 and min(times, default=9) >= 1:
        process, status = side.run(script("sleepers"), 10)
        times.append(process.seconds)
        side.check_threads(process, 100)
        if status:
            raise process.fail(
                f"status {status} after {process.seconds:.2f} s")
        output = process.output()
    side.note(f"500 threads slept half a second in {min(times):.2f} s")
    if min(times) >= 1:
        raise process.fail(f"took {min(times):.2f} s, best of ten")
    return {"output": output}


def signalled(name, number, side):
    """Send a signal once the script is ready; compare how it ends."""
    process = side.spawn(script(name), 60)
    process.wait_output(b"ready\n")
    end = time.monotonic() + 20
    while process.threads.samples < 3 and time.monotonic() < end:
        time.sleep(0.01)    # for the threads to be counted
    process.signal(number)
    status = process.wait()
    side.check_threads(process, 1)
    return {"output": process.output(), "exit status": status,
            "error": [line for line in process.tail(1)
                      if "Interrupt" in line]}


case("py_interrupt", [PYTHON])(
    functools.partial(signalled, "interrupt", signal.SIGINT))
case("py_terminate", [PYTHON])(
    functools.partial(signalled, "interrupt", signal.SIGTERM))
case("py_handler", [PYTHON])(
    functools.partial(signalled, "handler", signal.SIGTERM))
