# SPDX-License-Identifier: MIT
"""--block-warn: who keeps the carrier, what it does, and nothing when nobody does."""

import os
import re

from harness import Skip, case, check, copatch, target


def blocks(how, *options):
    """Run the program; return the reports, each a list of lines."""
    status, out, err = copatch("run", *(options or ("--block-warn", 100)),
                               target("blocks"), how)
    if status == 77:
        raise Skip("this kernel lends no page faults")
    check(status == 0 and not out, how, status, out, err)
    reports = []
    for line in err.splitlines():
        check(line.startswith("copatch: "), line)
        if "no switch" in line:
            reports.append([])
        reports[-1].append(line)
    return reports


def frames(report):
    return [re.sub(r"^copatch:   #\d+ ", "", line).split("+")[0]
            for line in report[1:]]


def calm(how):
    """The reports of a run in which nobody waited for a processor.

    On a machine that is too busy that is told: true, and not what is asked here.
    """
    for _ in range(20):
        reports = blocks(how)
        if not any("waits for a processor" in report[0] for report in reports):
            break
    return reports


def one(how):
    reports = calm(how)
    check(len(reports) == 1, "reports", reports)
    took = int(re.search(r"no switch for (\d+) ms", reports[0][0]).group(1))
    check(took >= 100, "told after", took, "ms")
    check("(culprit)" in reports[0][0], reports)
    return reports[0]


@case
def block_warn_names_who_computes():
    report = one("compute")
    check("(culprit) computes, " in report[0], report)
    # It may be in clock_gettime(), which it calls in between.
    names = frames(report)
    at = names.index("innermost")
    check(names[at:at + 3] == ["innermost", "outer_function", "blocker"],
          report)
    check(not set(names[:at]) - {"now_ms", "__clock_gettime", "[vdso]",
                                 "clock_gettime"}, report)


@case
def block_warn_names_the_system_call():
    report = one("call")
    check("sits in the system call clone" in report[0], report)
    check(frames(report)[1:3] == ["slow_call", "blocker"], report)


@case
def block_warn_names_a_page_fault():
    report = one("fault")
    check("sits in a page fault" in report[0], report)
    check(frames(report)[0] == "slow_page", report)


@case
def block_warn_tells_each_time_once():
    reports = calm("twice")
    check(len(reports) == 2, "not twice", reports)


@case
def block_warn_watches_children_of_a_fork():
    reports = calm("fork")
    check(len(reports) == 1 and "outer_function" in frames(reports[0]), reports)


@case
def block_warn_is_silent_when_nobody_blocks():
    for how in ("idle", "short"):
        reports = calm(how)
        check(not reports, "a report of", how, reports)
    status, _, err = copatch("run", target("blocks"), "compute")
    check(status == 0 and not err, "it is off by default", err)


LOOKS = """
import os, threading, time
def threads():
    return [open(f'/proc/self/task/{t}/status').read()
            for t in os.listdir('/proc/self/task')]
def uids():
    return {line for s in threads() for line in s.splitlines()
            if line.startswith('Uid:')}
"""


def python(code):
    status, out, err = copatch("run", "--block-warn", 1000, "/usr/bin/python3",
                               "-c", LOOKS + code)
    check(status == 0, status, out, err)
    return out.split("\n")[:-1]


@case
def block_warn_takes_one_thread_and_no_file():
    # Its pipe ends when the program closes it, also in the child of a fork.
    lines = python("print(len(threads()))\n"
                   "print(sorted(map(int, os.listdir('/proc/self/fd')))[:4])\n"
                   "r, w = os.pipe()\n"
                   "if not os.fork():\n"
                   "    os.close(w); time.sleep(5); os._exit(0)\n"
                   "os.close(w); began = time.monotonic()\n"
                   "print(os.read(r, 1), time.monotonic() - began < 3)")
    check(lines == ["2", "[0, 1, 2, 3]", "b'' True"], lines)


@case
def block_warn_gives_up_rights_with_the_program():
    if os.geteuid():
        raise Skip("not root")
    lines = python("os.setuid(65534); print(len(threads()), uids())")
    check(len(lines) == 1 and lines[0].startswith("2 ")
          and lines[0].count("Uid:") == 1 and "65534" in lines[0], lines)


@case
def block_warn_is_a_number():
    for bad in ("0", "x", "-5", "1000001"):
        status, out, err = copatch("run", "--block-warn", bad, "true")
        check(status == 125 and not out and err.count("\n") == 1
              and "--block-warn" in err, bad, status, out, err)
