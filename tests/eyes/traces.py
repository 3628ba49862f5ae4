# SPDX-License-Identifier: MIT
"""--trace: what the file says, and that it is whole whatever ends the program."""

import collections
import contextlib
import decimal
import json
import os
import re
import stat
import tempfile

from harness import LIBRARY, Program, case, check, copatch, target

THREADS, ROUNDS = 5, 4      # of traced.c
READS = THREADS * ROUNDS + 1    # waits for descriptors: it polls once


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="copatch-trace-") as name:
        yield name


def events(path):
    """The events of a trace that others' viewers take as it is."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    check_format(json.loads(text, parse_float=decimal.Decimal))
    return json.loads(text)


def is_number(value, most):
    return type(value) is int and 0 <= value <= most


def is_time(value):
    """Microseconds, of which Perfetto keeps a thousandth."""
    return (type(value) in (int, decimal.Decimal) and 0 <= value < 1 << 50 and
            value == round(value, 3))


def check_event(e):
    """The Trace Event Format, array form: what each phase must have, and nothing unknown."""
    fields = {"M": {"name", "args"}, "B": {"name", "cat", "ts"}, "E": {"ts"},
              "X": {"name", "ts", "dur"}, "i": {"name", "ts", "s"}}
    check(isinstance(e, dict) and e.get("ph") in fields, "phase", e)
    needed = fields[e["ph"]] | {"ph", "pid", "tid"}
    check(needed <= set(e) <= needed | {"args", "cat"}, "fields", e)
    check(is_number(e["pid"], 2**32 - 1) and is_number(e["tid"], 2**32 - 1), "ids", e)
    check(all(type(e[field]) is str and e[field] for field in ("name", "cat")
              if field in e), "text", e)
    check(all(is_time(e[field]) for field in ("ts", "dur") if field in e), "time", e)
    check(e.get("s", "t") == "t", "scope", e)
    args = e.get("args", {})
    check(isinstance(args, dict) and all(
        type(key) is str and type(value) in (int, str)
        for key, value in args.items()), "args", e)
    if e["ph"] == "M":
        check(e["name"] in ("process_name", "thread_name") and set(args) == {"name"}
              and type(args["name"]) is str, "metadata", e)


def check_format(trace):
    """As Perfetto and chrome://tracing read it: by time, a stack of slices a track.

    A slice that overlaps another is dropped or cut short there, to the nanosecond.
    """
    check(isinstance(trace, list) and trace, "not an array")
    for e in trace:
        check_event(e)
    named = {e["tid"] for e in trace if e.get("name") == "thread_name"}
    check({e["tid"] for e in trace} == named, "tracks without a name")
    last, open_wait, busy = {}, {}, {}
    for e in trace:     # chrome://tracing wants those of a track in order
        if e["ph"] != "M":
            track = e["pid"], e["tid"]
            check(e["ph"] == "i" or last.get(track, 0) <= e["ts"], "order", e)
            last[track] = max(e["ts"], last.get(track, 0))
    for e in sorted((e for e in trace if e["ph"] in "BEX"), key=lambda e: e["ts"]):
        track = e["pid"], e["tid"]
        check(busy.get(track, 0) <= e["ts"], "overlaps a run", e)
        if e["ph"] == "E":
            check(open_wait.pop(track, None), "an end without a beginning", e)
            continue
        check(track not in open_wait, "overlaps a wait", e, open_wait.get(track))
        if e["ph"] == "B":
            open_wait[track] = e
        else:
            busy[track] = e["ts"] + e["dur"]


def kinds(trace):
    return collections.Counter((e["ph"], e.get("cat")) for e in trace)


def traced(where, *args, stats=False):
    """Run the program; return its trace, its stdout and its stderr."""
    path = os.path.join(where, "t.json")
    status, out, err = copatch("run", *(["--stats"] if stats else []),
                               "--trace", path, target("traced"), *args)
    check(status == 0, "status", status, err)
    return path, out, err


def check_order(trace):
    """Each thread's runs and waits follow one another without a gap, none inside another."""
    at, waits, phase = {}, {}, {}
    for e in trace:
        if "ts" not in e or e["ph"] == "i":
            continue
        tid = e["tid"]
        check(e["ts"] >= at.get(tid, 0) - 0.0015, "goes back", e)
        if e["ph"] == "B":
            check(tid not in waits, "waits twice", e)
            waits[tid] = e
        elif e["ph"] == "E":
            check(waits.pop(tid, None), "ends no wait", e)
        else:
            check(tid not in waits, "runs and waits", e)
        if (phase.get(tid), e["ph"]) in (("X", "B"), ("E", "X")):
            check(abs(e["ts"] - at[tid]) < 0.0005, "a gap before", e, at[tid])
        phase[tid] = e["ph"]
        at[tid] = e["ts"] + e.get("dur", 0)
    return waits


def check_knowledge(trace, lines):
    """Times, ids, descriptors and words are those that the program knows."""
    first, last = (int(words[1]) / 1000 for words in lines if words[0] == "clock")
    times = [e["ts"] + e.get("dur", 0) for e in trace if "ts" in e]
    begun = [e for e in trace if e.get("name") == "begins"]
    check(len(begun) == THREADS + 1 and
          all(first - 100 < e["ts"] < last + 100 for e in begun), first, last, begun)
    check(last - 100 < max(times), last, max(times))
    main = {e["tid"] for e in trace if e["pid"] == e["tid"]}
    check(len(main) == 1 and {e["args"]["by"] for e in begun} == main, begun)
    reads = {(e["tid"], e["args"]["fd"]) for e in trace if e.get("name") == "read"}
    knows = {(int(words[1]), int(words[2])) for words in lines if words[0] == "reader"}
    check(reads == knows and len(knows) == THREADS, reads, knows)
    polls = [e for e in trace if e.get("name") == "poll"]
    check(len(polls) == 1 and polls[0]["args"]["more"] == 2, polls)
    word = [words[1] for words in lines if words[0] == "word"][0]
    waits = [e for e in trace if e.get("args", {}).get("word") == word]
    check(len(waits) == 1 and waits[0]["tid"] in main and
          (waits[0]["name"], waits[0]["cat"]) == ("futex", "queue"), word, waits)


@case
def trace_says_what_the_program_did():
    with folder() as where:
        path, out, err = traced(where, stats=True)
        trace = events(path)
        check_knowledge(trace, [line.split() for line in out.splitlines()])
        check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "not 0600")
    kind = kinds(trace)
    stats = {name: int(n) for name, n in
             re.findall(r"(switches|parks for [a-z ]+|threads made) (\d+)", err)}
    check(kind["X", None] == stats["switches"] + 1, kind, stats)
    for name, cause in (("descriptor", "fd"), ("time", "time"),
                        ("futex or child", "queue"), ("helper", "helper")):
        check(kind["B", cause] == stats.get(f"parks for {name}", 0),
              cause, kind, stats)
    check(kind["B", "time"] == THREADS * ROUNDS + ROUNDS, kind)
    check(kind["B", "fd"] == READS, kind)
    check(kind["B", "helper"] == 1, kind)
    helped = [e for e in trace if e.get("cat") == "helper"]
    check(helped[0]["name"] == "fsync", helped)
    check({e["name"] for e in trace if e.get("cat") == "fd"} == {"read", "poll"},
          trace)
    gave = [e for e in trace if e["ph"] == "X" and e.get("args") == {"gave": "way"}]
    parks = sum(n for (phase, _), n in kind.items() if phase == "B")
    ends = [e for e in trace if e.get("name") == "ends"]
    # all others ended by a wait, by the thread's end, or by the program's
    check(len(gave) == kind["X", None] - parks - len(ends) - 1, len(gave), kind)
    sleeps = [e for e in trace if e.get("cat") == "time"]
    ends = {(e["tid"], e["ts"]) for e in trace if e["ph"] == "E"}
    for e in sleeps:
        took = min(t for tid, t in ends if tid == e["tid"] and t > e["ts"])
        check(took - e["ts"] > 990, "a millisecond lasted", took - e["ts"], "us")
    check(not check_order(trace), "somebody still waits")
    names = {e["args"]["name"] for e in trace if e.get("name") == "thread_name"}
    check({f"reader-{i}" for i in range(1, THREADS)} | {'"<b>\\0\n'} <= names,
          names)
    begun = [e for e in trace if e.get("name") == "begins"]
    check(len(begun) == stats["threads made"] - 1, begun)
    check(len([e for e in trace if e.get("name") == "ends"]) == len(begun), "ends")


@case
def trace_of_a_killed_program():
    with folder() as where:
        path = os.path.join(where, "t.json")
        program = Program([target("traced"), "--kill"],
                          env={"COPATCH_TRACE": path})
        program.line("ready")
        program.wait_for(lambda: b'"pause"' in open(path, "rb").read(), "pause")
        program.end()                       # SIGKILL
        trace = events(path)
    waits = check_order(trace)
    check(sorted(e["name"] for e in waits.values())
          == ["pause"] + ["read"] * THREADS, waits)


@case
def trace_survives_exit_and_exec():
    with folder() as where:
        trace = events(traced(where, "--exit")[0])
        check(kinds(trace)["B", "fd"] == READS, kinds(trace))
    with folder() as where:
        path = traced(where, "--exec")[0]
        trace = events(path)                # both programs of this process
        check(kinds(trace)["B", "fd"] == 2 * READS, kinds(trace))
        pauses = [e for e in trace if e.get("name") == "pause"]
        check(len(pauses) == 2 and pauses[0]["tid"] == pauses[1]["tid"], pauses)
        check(os.listdir(where) == ["t.json"], os.listdir(where))


@case
def trace_of_a_child_is_its_own():
    with folder() as where:
        path, out, _ = traced(where, "--fork")
        pid = int(out.split()[-1])
        child = events(f"{path}.{pid}")
        check(kinds(child)["B", "time"] == 1, child)
        check({e["pid"] for e in child} == {pid}, child)
        check(len({e["pid"] for e in events(path)}) == 1, "two processes")


@case
def trace_never_goes_through_a_link():
    with folder() as where:
        path, victim = f"{where}/t.json", f"{where}/victim"
        with open(victim, "w", encoding="utf-8") as file:
            file.write("mine")
        os.symlink(victim, path)
        status, out, err = copatch("run", "--trace", path, "true")
        check(status == 125 and not out and err.count("\n") == 1, status, err)
        done = Program([target("traced")], env={"COPATCH_TRACE": path})
        done.process.wait()
        done.end()
        with open(victim, encoding="utf-8") as file:
            check(file.read() == "mine", "written through a link")
        # The name is taken, so it is FILE.PID.
        check(kinds(events(f"{path}.{done.pid}"))["B", "helper"] == 1, "no file")


@case
def trace_is_bounded():
    with folder() as where:
        path = f"{where}/t.json"
        status, out, err = copatch(
            "run", "--trace", path, "--trace-size", 1, "/usr/bin/python3", "-c",
            "import threading, time\n"
            "def work():\n for _ in range(3000): time.sleep(0)\n"
            "ts = [threading.Thread(target=work) for _ in range(5)]\n"
            "[t.start() for t in ts]; [t.join() for t in ts]; print('done')")
        check(status == 0 and out == "done\n", status, out, err)
        check("the trace has become as large as it may" in err, err)
        size = os.stat(path).st_size
        check(700 << 10 < size <= 1 << 20, size)
        check(len(events(path)) > 3000, "events")


@case
def trace_stops_when_somebody_cuts_the_file():
    with folder() as where:
        path = f"{where}/t.json"
        code = ("import os, threading, time\n"
                "t = threading.Thread(target=time.sleep, args=(.01,))\n"
                "t.start(); t.join()\n"
                f"os.truncate({path!r}, 0)\n"
                "t = threading.Thread(target=time.sleep, args=(.01,))\n"
                "t.start(); t.join(); print('lives')")
        status, out, err = copatch("run", "--trace", path, "/usr/bin/python3",
                                   "-c", code)
        check(status == 0 and out == "lives\n", status, out, err)
        check("cannot write the trace" in err, err)


check(os.path.exists(LIBRARY), "no library: make first")
