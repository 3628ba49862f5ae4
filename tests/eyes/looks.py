# SPDX-License-Identifier: MIT
"""copatch ps: what it says, compared with what the program itself knows."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from harness import (BUILD, COPATCH, LIBRARY, Skip, case, check, copatch, running,
                     target)

NOBODY = 65534
THREADS = 24        # of states.c


@contextlib.contextmanager
def states(*more, env=(), **how):
    """A program with a thread in each state; yields it and what it knows."""
    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as folder:
        with running(target("states"), folder, *more, env=dict(env),
                     **how) as program:
            program.line("spins" if more else "ready")
            if len(more) > 1:
                program.line("thread second")
            knows, program.began = {}, {}
            for line in program.out.decode().splitlines():
                words = line.split()
                if words and words[0] == "thread":
                    knows[words[1]] = (int(words[2]), words[4:])
                    program.began[words[1]] = int(words[3])
            try:
                yield program, knows
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(knows["parent"][1][0]), signal.SIGKILL)


def look(pid):
    status, out, err = copatch("ps", "--json", pid)
    check(status == 0 and not err, status, err)
    seen = json.loads(out)
    check(seen["pid"] == pid and seen["complete"], out)
    return seen, {co["id"]: co for co in seen["coroutines"]}


def functions(co):
    return [frame["function"] for frame in co["frames"]]


def look_until(pid, seen, what):
    """Look again until it is as it should be: a busy machine takes its time."""
    end = time.monotonic() + 60
    while True:
        status, out, err = copatch("ps", "--json", pid)
        if status == 0:
            by_id = {co["id"]: co for co in json.loads(out)["coroutines"]}
            if seen(by_id):
                return look(pid)
        check(time.monotonic() < end, "no", what, out, err)
        time.sleep(0.05)


@case
def ps_states():
    with states() as (program, knows):
        seen, by_id = look(program.pid)
        check(len(by_id) == len(knows) == THREADS, sorted(by_id), knows)
        check((seen["running"], seen["runnable"], seen["parked"])
              == (0, 0, THREADS), seen)
        for name, (tid, _) in knows.items():
            co = by_id[tid]
            check(co["name"] == name, co, name)
            check(co["state"] == "parked", co)
            check(2e8 < co["for_ns"] < 60e9 or name == "main", co)
            check(co["switches"] > 0 and co["cpu_ns"] < 5e9, co)
            check(100 < co["stack_used"] < 65536, co)
        start = {"reader": "reader", "flocker": "file_locker", "timer": "timer",
                 "sleeper": "sleeps", "main": "main"}
        for name, function in start.items():
            co = by_id[knows[name][0]]
            check(co["start"]["text"] == function, co)
            check(function in functions(co), co)


@case
def ps_waits():
    with states() as (program, knows):
        _, by_id = look(program.pid)
        main = knows["main"][0]

        def waits(name):
            return by_id[knows[name][0]]["waits"]

        def knowledge(name):
            return knows[name][1]

        def descriptor(name, fd):
            w = waits(name)
            check(w["for"] == "descriptor" and len(w["descriptors"]) == 1 and
                  w["descriptors"][0]["fd"] == int(fd) and
                  w["descriptors"][0]["read"] and not w["descriptors"][0]["write"], w)
            return w["descriptors"][0]["file"]

        check(waits("reader")["call"] == "read", waits("reader"))
        fd, other = knowledge("reader")
        check(descriptor("reader", fd) == f"unix socket, peer its own fd {other}",
              waits("reader"))
        fd, other, child = knowledge("piper")
        check(descriptor("piper", fd) ==
              f"pipe, other end fd {other} of {child} (states)", waits("piper"))
        fd, other, path = knowledge("client")
        check(descriptor("client", fd) ==
              f"unix socket, peer {path}, its own fd {other}", waits("client"))
        fd, other, path = knowledge("server")
        check(descriptor("server", fd) ==
              f"unix socket {path}, peer its own fd {other}", waits("server"))
        fd, other = knowledge("writer")
        check([(d["fd"], d["read"], d["write"], d["file"])
               for d in waits("writer")["descriptors"]] ==
              [(int(fd), False, True, f"unix socket, peer its own fd {other}")],
              waits("writer"))
        check(waits("writer")["call"] == "write", waits("writer"))
        check(sorted(d["fd"] for d in waits("poller")["descriptors"]) ==
              sorted(map(int, knowledge("poller"))), waits("poller"))
        check(waits("poller")["text"].startswith("poll fd ") and
              " and 2 more" in waits("poller")["text"], waits("poller"))
        fd, here, there = knowledge("receiver")
        check(descriptor("receiver", fd) ==
              f"tcp 127.0.0.1:{here}, peer 127.0.0.1:{there}", waits("receiver"))
        check(descriptor("acceptor", knowledge("acceptor")[0]) ==
              f"tcp 127.0.0.1:{there}, listening", waits("acceptor"))
        for name, what in (("locker", "mutex"), ("rwlocker", "rwlock")):
            w = waits(name)
            check(w["for"] == "futex" and w["object"] == what and
                  w["owner"] == {"id": main, "name": "main"}, w)
        check(waits("locker")["address"] == knowledge("locker")[0], waits("locker"))
        for name, what in (("conder", "condition variable"),
                           ("timer", "condition variable"),
                           ("semaphore", "semaphore"), ("barrier", "barrier")):
            w = waits(name)
            offset = int(w["address"], 16) - int(knowledge(name)[0], 16)
            check(w["for"] == "futex" and w["object"] == what and
                  w["owner"] is None and 0 <= offset < 48, w)
        check(waits("conder")["left_ns"] is None, waits("conder"))
        check(waits("sleeper")["for"] == "time" and
              waits("sleeper")["call"].endswith("nanosleep"), waits("sleeper"))
        check(waits("joiner")["object"] == "thread's end" and
              waits("joiner")["owner"] == {"id": knows["sleeper"][0],
                                           "name": "sleeper"}, waits("joiner"))
        check(waits("parent")["for"] == "child" and
              waits("parent")["text"] == f"child {knowledge('parent')[0]}",
              waits("parent"))
        check(waits("signals")["for"] == "signal" and
              waits("signals")["text"] == "signal USR1,USR2", waits("signals"))
        check(waits("main")["for"] == "signal", waits("main"))
        check(waits("flocker")["for"] == "helper" and
              waits("flocker")["text"].startswith("helper: flock fd ") and
              waits("flocker")["text"].endswith("/lock"), waits("flocker"))
        check(waits("opener")["for"] == "helper" and
              waits("opener")["text"].endswith(" " + knowledge("opener")[0]),
              waits("opener"))


@case
def ps_figures():
    """Times, counts and depths, against those that the program has measured."""
    with states() as (program, knows):
        time.sleep(1)
        before, clock = time.monotonic_ns(), time.time_ns()
        _, by_id = look(program.pid)
        took = time.monotonic_ns() - before
        # main has waited for the others to wait, and then said so
        late = program.began["main"]
        for name, (tid, _) in knows.items():
            began = program.began[name]
            check(before - late < by_id[tid]["for_ns"] < before + took - began,
                  name, by_id[tid], began, before, took)

        def co(name):
            return by_id[knows[name][0]]

        left = int(knows["timer"][1][1]) - clock
        check(left - took <= co("timer")["waits"]["left_ns"] <= left, co("timer"), left)
        for name, seconds in (("sleeper", 1000), ("poller", 700)):
            left = co(name)["waits"]["left_ns"]
            check(program.began[name] - before - took < left - seconds * 10**9 <
                  late - before, co(name))
        burnt = int(knows["burner"][1][0])
        check(0.9 * burnt < co("burner")["cpu_ns"] < 1.1 * burnt + 5e6,
              co("burner"), burnt)
        check(co("digger")["cpu_ns"] < 5e7, co("digger"))
        # slices and the lock of stdout may cost it some more
        check(41 <= co("counter")["switches"] <= 70, co("counter"))
        check(co("digger")["switches"] <= 10, co("digger"))
        deep = int(knows["digger"][1][0])
        check(60000 < deep < co("digger")["stack_used"] < deep + 2000,
              co("digger"), deep)
        names = functions(co("digger"))
        at = names.index("dig")
        check(names[at:at + 4] == ["dig"] * 3 + ["digger"], names)


@case
def ps_semaphore_without_debug_information():
    """The function in which it waits has no name then."""
    hide = "mount -t tmpfs none /usr/lib/debug && exec \"$@\""
    if os.getuid() or not shutil.which("unshare") or subprocess.run(
            ["unshare", "-m", "sh", "-c", hide, "sh", "true"],
            capture_output=True, check=False).returncode:
        raise Skip("cannot hide /usr/lib/debug")
    with states() as (program, knows):
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", hide, "sh", COPATCH, "ps", str(program.pid)],
            capture_output=True, timeout=60, check=False)
        lines = done.stdout.decode().splitlines()
        row = [i for i, line in enumerate(lines)
               if line.split()[0] == str(knows["semaphore"][0])]
        check(len(row) == 1 and f"semaphore {knows['semaphore'][1][0]}" in lines[row[0]]
              and lines[row[0] + 1].strip().endswith("sem_wait < semaphore"), done)


@case
def ps_table():
    with states() as (program, knows):
        status, out, err = copatch("ps", program.pid)
        check(status == 0 and not err, status, err)
        lines = out.splitlines()
        check(lines[0] == f"process {program.pid}: {THREADS} coroutines, "
              f"0 running, 0 runnable, {THREADS} parked", lines[0])
        check(lines[1].split() == "ID NAME START STATE FOR CPU SWITCHES STACK "
              "WAITS FOR".split(), lines[1])
        main = knows["main"][0]
        for name, (tid, what) in knows.items():
            row = [line for line in lines if line.split()[0] == str(tid)]
            check(len(row) == 1 and row[0].split()[1] == name and
                  " parked " in row[0], name, row)
            if name == "locker":
                check(row[0].endswith(f"mutex {what[0]} held by {main} (main)"), row)
                after = lines[lines.index(row[0]) + 1]
                check(after.strip().startswith("in ") and
                      after.endswith("pthread_mutex_lock < locker"), after)


def parsed(text):
    """What a time or a size as people read it stands for, and how coarse that is."""
    match = re.fullmatch(r"([0-9.]+)(us|ms|s|[KM]|)", text)
    check(match, "no figure:", text)
    unit = {"us": 1e3, "ms": 1e6, "s": 1e9, "K": 1024, "M": 1 << 20, "": 1}[match[2]]
    return float(match[1]) * unit, unit / (10 if "." in match[1] else 1)


@case
def ps_table_is_what_json_says():
    with states() as (program, _):
        time.sleep(1)
        _, before = look(program.pid)
        lines = copatch("ps", program.pid)[1].splitlines()
        _, after = look(program.pid)
        rows = {int(line.split()[0]): line for line in lines[2:]
                if line.split()[0].isdigit()}
        check(set(rows) == set(before), rows)
        for tid, row in rows.items():
            old, new = before[tid], after[tid]
            words = row.split(None, 8)
            check(words[1:4] == [old["name"], old["start"]["text"][:16], old["state"]],
                  row, old)
            for text, field in ((words[4], "for_ns"), (words[5], "cpu_ns"),
                                (words[7], "stack_used")):
                value, step = parsed(text)
                check(old[field] - step <= value <= new[field] + step, row, field, old)
            check(int(words[6]) == old["switches"], row, old)
            waits = re.sub(r", \S+ left$", "", old["waits"]["text"])
            check(words[8].startswith(waits), row, waits)


# The kernel counts the time of one who runs at its clock's ticks.
CPU_TICK = 1e7


def cpu_of(pid):
    """Nanoseconds of the process's first thread, as the kernel counts."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0])


def let_run(pid, used, seconds):
    """Until it has had so much of a processor since."""
    end = time.monotonic() + 60
    while cpu_of(pid) < used + seconds * 1e9 and time.monotonic() < end:
        time.sleep(0.05)


@case
def ps_running():
    with states("spin") as (program, knows):
        for _ in range(3):
            time.sleep(0.1)
            seen, by_id = look(program.pid)
            co = by_id[knows["spinner"][0]]
            check(co["state"] == "running" and seen["running"] == 1, co)
            check("count_for_ever" in functions(co) and "main" in functions(co), co)
            check(co["waits"] is None, co)
        # nobody else in it uses time meanwhile
        times = [cpu_of(program.pid)]
        _, by_id = look(program.pid)
        first = by_id[co["id"]]["cpu_ns"]
        times.append(cpu_of(program.pid))
        let_run(program.pid, times[-1], 0.4)
        times.append(cpu_of(program.pid))
        _, by_id = look(program.pid)
        grown = by_id[co["id"]]["cpu_ns"] - first
        times.append(cpu_of(program.pid))
        check(0.9 * (times[2] - times[1]) - CPU_TICK < grown <
              times[3] - times[0] + CPU_TICK, times, first, grown)
        check(sum(co["cpu_ns"] for co in by_id.values()) < times[3] + CPU_TICK,
              by_id, times)


@case
def ps_runnable():
    """Two that compute take turns."""
    seen_running = set()
    with states("spin", "two") as (program, knows):
        pair = {knows["spinner"][0], knows["second"][0]}
        for _ in range(30):
            seen, by_id = look(program.pid)
            check((seen["running"], seen["runnable"]) == (1, 1), seen)
            states_seen = {by_id[tid]["state"] for tid in pair}
            check(states_seen == {"running", "runnable"}, by_id)
            waiting = [by_id[tid] for tid in pair if by_id[tid]["state"] == "runnable"]
            check(waiting[0]["for_ns"] < 5e9 and waiting[0]["waits"] is None, waiting)
            seen_running |= pair - {waiting[0]["id"]}
            if seen_running == pair:
                return
        check(False, "only ever", seen_running, "ran of", pair)


@case
def ps_stuck():
    """No slices, no switches: nobody in the process could answer."""
    with states("spin", env={"COPATCH_NO_PREEMPT": "1"}) as (program, knows):
        _, by_id = look(program.pid)
        co = by_id[knows["spinner"][0]]
        check(co["state"] == "running" and "count_for_ever" in functions(co), co)
        check(by_id[knows["locker"][0]]["waits"]["object"] == "mutex", by_id)
        # what it has used since it was taken up is counted too
        used = cpu_of(program.pid)
        let_run(program.pid, used, 0.4)
        grown = cpu_of(program.pid) - used
        _, by_id = look(program.pid)
        check(by_id[co["id"]]["cpu_ns"] - co["cpu_ns"] > 0.9 * grown - CPU_TICK,
              co, by_id, grown)


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0]


@case
def ps_stopped():
    with states("spin") as (program, knows):
        program.process.send_signal(signal.SIGSTOP)
        while state_of(program.pid) != "T":
            time.sleep(0.01)
        _, by_id = look(program.pid)
        co = by_id[knows["spinner"][0]]
        # perhaps on the way into a handler of ours
        check(co["state"] == "running" and "count_for_ever" in functions(co), co)
        check(state_of(program.pid) == "T", "it goes on")
        program.process.send_signal(signal.SIGCONT)
        look_until(program.pid, lambda by_id: by_id[co["id"]]["cpu_ns"] > co["cpu_ns"],
                   "going on")


@case
def ps_stub():
    """It waits in a stub of the side door."""
    with running(target("barrier")) as program:
        waiter = int(program.line("ready")[1])
        _, by_id = look(program.pid)
        names = functions(by_id[waiter])
        check(names[1:3] == ["meets", "waits"], names)
        check("barrier" in names[0] and
              by_id[waiter]["waits"]["object"] == "barrier", by_id[waiter])


@case
def ps_deadlock_of_some():
    """A circle among two of three threads: the others may go on."""
    with running(target("deadlock"), "idle-pause") as program:
        a, _ = program.line("0x")
        _, by_id = look_until(program.pid, lambda by_id: [
            co["state"] for co in by_id.values()] == ["parked"] * 2, "two that wait")
        waits = [co["waits"] for co in by_id.values() if co["name"] == "other"]
        check(len(waits) == 1 and waits[0]["address"] == a and
              waits[0]["owner"]["id"] == program.pid, waits)


@case
def ps_python():
    code = ("import threading, time, socket\n"
            "a, b = socket.socketpair()\n"
            "for _ in range(20): threading.Thread(target=b.recv, args=(1,),"
            " daemon=True).start()\n"
            "print('ready', flush=True)\n"
            "time.sleep(1000)\n")
    with running("/usr/bin/python3", "-c", code) as program:
        program.line("ready")
        seen, by_id = look_until(program.pid, lambda by_id: [
            co["state"] for co in by_id.values()] == ["parked"] * 21, "21 that wait")
        readers = [co for co in by_id.values()
                   if co["waits"] and co["waits"]["for"] == "descriptor"]
        check(len(readers) == 20, seen)
        check(all(len(co["frames"]) > 5 for co in readers), readers)


@case
def ps_memcached():
    """Libraries without symbols, and two copies of libc side by side."""
    if not shutil.which("memcached"):
        raise Skip("memcached is not installed")
    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as folder:
        with running("memcached", "-u", "root", "-s", f"{folder}/socket",
                     "-t", "3") as program:
            program.wait_for(lambda: os.path.exists(f"{folder}/socket"), "socket")
            _, by_id = look_until(program.pid, lambda by_id: [
                co for co in by_id.values() if co["name"].startswith("mc-worker")
            ] and all(co["state"] == "parked" for co in by_id.values()), "workers at rest")
            waits = [co["waits"]["object"] for co in by_id.values()
                     if co["state"] == "parked" and co["waits"]["for"] == "futex"]
            check(len(waits) >= 3 and set(waits) == {"condition variable"}, by_id)
            for tid, co in by_id.items():
                if co["state"] == "parked" and tid != program.pid:
                    # start_thread is named by debug information only
                    check(functions(co)[-2] in ("start_thread", None) and
                          functions(co)[-1] in ("__clone", "clone3"), co)
            base = [line for line in open(f"/proc/{program.pid}/maps",
                                          encoding="ascii") if "memcached" in line]
            start = int(base[0].split("-")[0], 16)
            for row in copatch("ps", program.pid)[1].splitlines():
                if "mc-worker" in row:
                    co = by_id[int(row.split()[0])]
                    number = int(co["start"]["address"], 16) - start
                    check(row.split()[2].endswith(f"+{number:#x}"), row, co)


@case
def ps_many_that_come_and_go():
    """The list changes while it is read: never a crash, never nonsense."""
    code = ("import threading, time\n"
            "def body(): time.sleep(0.001)\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    t = [threading.Thread(target=body) for _ in range(50)]\n"
            "    [x.start() for x in t]; [x.join() for x in t]\n")
    with running("/usr/bin/python3", "-c", code) as program:
        program.line("ready")
        for _ in range(30):
            status, out, err = copatch("ps", "--json", program.pid)
            check(status == 0 and not err, status, err)
            seen = json.loads(out)
            check(1 <= len(seen["coroutines"]) <= 52, out)
            check(seen["coroutines"][0]["id"] == program.pid, out)
        check(program.process.poll() is None, "the program has ended")


@case
def ps_names_are_escaped():
    code = ("import threading, time, ctypes\n"
            "libc = ctypes.CDLL(None)\n"
            "libc.prctl(15, b'\\x1b[2J\"\\\\\\xff\\n', 0, 0, 0)\n"
            "print('ready', flush=True)\n"
            "time.sleep(1000)\n")
    with running("/usr/bin/python3", "-c", code) as program:
        program.line("ready")
        _, by_id = look(program.pid)
        check(by_id[program.pid]["name"] == '\x1b[2J"\\\ufffd\n', by_id)
        _, out, _ = copatch("ps", program.pid)
        check("\x1b" not in out and '?[2J"\\??' in out, out)


def refused(pattern, *args, **more):
    status, out, err = copatch(*args, **more)
    check(status == 125 and not out and err.startswith("copatch: ") and
          err.count("\n") == 1 and pattern in err, args, status, out, err)


@case
def ps_wrong_arguments():
    for command in ("ps", "top"):
        refused("needs the number of a process", command)
        refused("'x' is not the number", command, "x")
        refused("'-1'", command, "-1")
        refused("is not the number", command, "1x")
        refused("is not the number", command, "99999999999999999999")
        refused("is not the number", command, "0")
        refused("one too many", command, "1", "2")
        refused("unknown option '--nonsense'", command, "--nonsense", "1")
    refused("unknown option '--json'", "top", "--json", "1")


@case
def ps_not_ours():
    with running("/bin/sleep", "1000", native=True) as program:
        time.sleep(0.2)
        refused("not under copatch", "ps", program.pid)
        refused("not under copatch", "top", program.pid)
    refused("no such process", "ps", program.pid)
    with running("/bin/true", native=True) as program:
        while state_of(program.pid) != "Z":
            time.sleep(0.01)
        refused(f"{program.pid}: ", "ps", program.pid)


@case
def ps_other_user():
    if os.getuid():
        raise Skip("needs root, to be somebody else")
    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as folder:
        os.chmod(folder, 0o755)
        for name in ("copatch", "copatch-eyes", "libcopatch.so"):
            shutil.copy(os.path.join(BUILD, name), folder)
        command = os.path.join(folder, "copatch")
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                  "--clear-groups"]
        with states() as (program, _):
            for what in ("ps", "top"):
                done = subprocess.run([*become, command, what, str(program.pid)],
                                      capture_output=True, timeout=60, check=False)
                check(done.returncode == 125 and not done.stdout and
                      done.stderr.count(b"\n") == 1 and
                      b"you may not look into this process" in done.stderr, done)
        # one's own may be looked at
        with running(*become, command, "run", "sleep", "1000", env={"LD_PRELOAD": ""}
                     ) as program:
            # not before setpriv and copatch have become it
            for _ in range(100):
                done = subprocess.run([*become, command, "ps", str(program.pid)],
                                      capture_output=True, timeout=60, check=False)
                if not done.returncode:
                    break
                time.sleep(0.05)
            check(done.returncode == 0 and b"1 coroutines" in done.stdout, done)


@case
def ps_after_fork():
    """The child's list is its own."""
    code = ("import os, threading, time\n"
            "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
            "pid = os.fork()\n"
            "if not pid: time.sleep(1000)\n"
            "print('child', pid, flush=True)\n"
            "time.sleep(1000)\n")
    with running("/usr/bin/python3", "-c", code) as program:
        child = int(program.line("child")[1])
        try:
            look_until(program.pid, lambda by_id: len(by_id) == 2, "two threads")
            look_until(child, lambda by_id: list(by_id) == [child], "the child alone")
        finally:
            os.kill(child, signal.SIGKILL)


@case
def ps_library_by_another_name():
    """A library that was replaced meanwhile is still the one in memory."""
    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as folder:
        library = os.path.join(folder, "libcopatch.so")
        shutil.copy(LIBRARY, library)
        with running("/bin/sleep", "1000", env={"LD_PRELOAD": library}) as program:
            sleeps = (lambda by_id: by_id[program.pid]["state"] == "parked" and
                      by_id[program.pid]["waits"]["for"] == "time")
            look_until(program.pid, sleeps, "sleep")
            os.unlink(library)
            _, by_id = look(program.pid)
            check(sleeps(by_id), by_id)
