# SPDX-License-Identifier: MIT
"""gdb with what it loads along with libcopatch.so: live processes, cores."""

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile

from harness import BUILD, LIBRARY, Skip, case, check, running, target
from looks import THREADS, functions, look_until, states


def gdb(*args, cwd=None, extra=()):
    """Run gdb in batch mode; its standard output.

    It goes to a file: what the program leaves behind would keep a pipe open.
    """
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            ["gdb", "-q", "-nx", "-batch", *extra,
             "-iex", f"add-auto-load-safe-path {BUILD}", *args],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            cwd=cwd, env={**os.environ, "DEBUGINFOD_URLS": ""})
        try:
            process.wait(120)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        out.seek(0)
        return out.read().decode(errors="replace")


def commands(*lines):
    return [word for line in lines for word in ("-ex", line)]


def check_list(out, knows):
    """The table of info coroutines, compared with what the program said."""
    rows = [line.replace("*", " ").split() for line in out.splitlines()
            if re.match(r"[* ]  *\d+ \w+ +(parked|running|runnable) ", line)]
    check(len(rows) == len(knows), len(rows), out)
    by_name = {row[1]: row for row in rows}
    for name, (tid, what) in knows.items():
        check(by_name[name][0] == str(tid), by_name, name)
        # the signal that makes a core is main's
        check(by_name[name][2] in ("parked", "running")[:1 + (name == "main")],
              by_name[name])
        if name == "reader":
            check(by_name[name][3:5] == ["fd", what[0]], by_name[name])
        if name == "locker":
            check(by_name[name][3:5] == ["futex", what[0]], by_name[name])
    return by_name


def check_frames(out, knows):
    """coroutine apply all bt: each has its own function at the bottom."""
    parts = re.split(r'^Coroutine (\d+) "\w+" \(\w+\):$', out, flags=re.M)[1:]
    by_id = dict(zip(map(int, parts[::2]), parts[1::2]))
    check(set(by_id) == {tid for tid, _ in knows.values()}, sorted(by_id))
    functions = {"reader": "reader", "locker": "locker", "timer": "timer",
                 "sleeper": "sleeps", "flocker": "file_locker", "main": "main",
                 "opener": "opener"}
    for name, function in functions.items():
        frames = by_id[knows[name][0]]
        check(re.search(rf" (in )?{function} \(", frames), name, frames)
        check("ev_run" not in frames, frames)
    locker = by_id[knows["locker"][0]]
    check(re.search(r"pthread_mutex_lock \(", locker), locker)
    # gdb's innermost frame is the kernel thread's, and nobody's here
    check(not re.search(r"^#0 ", locker, re.M), locker)


@case
def gdb_live():
    with states() as (program, knows):
        locker = knows["locker"][0]
        out = gdb("-p", str(program.pid), *commands(
            "info coroutines", "echo ----\\n", "coroutine apply all bt",
            "echo ----\\n", f"coroutine {locker} p/x $rip", "p/x $rip",
            f"coroutine {knows['reader'][0]} p c", "bt 1",
            "info signals SIGSYS", "info signals SIG33",
            "coroutine 17", "coroutine 17 bt", "coroutine x bt"))
        table, frames, rest = out.split("----\n")
        check_list(table, knows)
        check_frames(frames, knows)
        rips = re.findall(r"^\$\d = (0x[0-9a-f]+)$", rest, re.M)
        check(len(rips) == 2 and rips[0] != rips[1], rest)
        check(len(re.findall(r"^SIG(?:SYS|33)\s+No\s+No\s+Yes", rest, re.M)) == 2, rest)
        check("no coroutine 17" in rest and "'x' is not the id" in rest, rest)
        # it goes on as if nothing had been
        check(program.process.poll() is None, "it has ended")
        os.kill(int(knows["parent"][1][0]), signal.SIGKILL)
        with open(f"/proc/{program.pid}/comm", encoding="ascii") as comm:
            check(comm.read().strip() == "main", "comm")


@case
def gdb_running():
    with states("spin", env={"COPATCH_NO_PREEMPT": "1"}) as (program, knows):
        tid = knows["spinner"][0]
        out = gdb("-p", str(program.pid), *commands(
            "info coroutines", "coroutine", f"coroutine {tid} bt",
            "coroutine apply " + str(knows["reader"][0]) + " -- bt", "bt 1"))
        check(re.search(rf"^\* +{tid} spinner +running ", out, re.M), out)
        check(f'Coroutine {tid} "spinner" runs.' in out, out)
        check(len(re.findall(r"^#0 .*count_for_ever", out, re.M)) == 2, out)
        check(re.search(r" reader \(", out), out)


@case
def gdb_runnable():
    with states("spin", "two") as (program, _):
        out = gdb("-p", str(program.pid), *commands("info coroutines"))
        seen = re.findall(r"^[* ] +\d+ (spinner|second) +(\w+) ", out, re.M)
        check(sorted(state for _, state in seen) == ["runnable", "running"], out)


@case
def gdb_inlined():
    """The thread sits in a function of ours that has been inlined into another."""
    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as folder:
        out = gdb(*commands(
            f"set environment LD_PRELOAD {LIBRARY}", "tbreak pause", "run",
            "break raw6", "continue", "bt 2", "echo ----\\n", "info coroutines",
            "echo ----\\n", "coroutine apply all bt", "kill"),
                  "--args", target("states"), folder)
        child = int(re.search(r"^thread parent \d+ \d+ (\d+)", out, re.M)[1])
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        own, table, frames = out.split("----\n")
        around = re.findall(r"^#[01] .*?(\w+) \(", own, re.M)
        check(len(around) == 2 and around[0] == "raw6", own)
        # a word: libev.c's wait() is no futex_wait
        ours = rf"\b({around[1]}|raw6)\b"
        check(table.count("\n") == THREADS + 1, table)
        check(not re.search(ours, table) and not re.search(ours, frames),
              around, table, frames)
        row = [line for line in table.splitlines() if " reader " in line]
        # start_thread is named by debug information only
        check(re.search(" read < reader < (start_thread|clone3?)$", row[0]), row)


@contextlib.contextmanager
def core_folder():
    """A folder, and what a program needs to leave its core there."""
    def allow():
        hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))

    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as folder:
        yield folder, {"cwd": folder, "preexec_fn": allow}


def core_in(folder):
    cores = [name for name in os.listdir(folder) if name.startswith("core")]
    if not cores:
        raise Skip("no core file: see core_pattern and the limits here")
    return os.path.join(folder, cores[0])


@case
def gdb_core():
    """In a core registers cannot be written."""
    with core_folder() as (folder, how):
        with states(**how) as (program, knows):
            program.process.send_signal(signal.SIGABRT)
            program.process.wait(60)
        out = gdb(target("states"), core_in(folder), *commands(
            "info coroutines", "echo ----\\n", "coroutine apply all bt"))
        table, frames = out.split("----\n")
        check_list(table, knows)
        check_frames(frames, knows)


@case
def gdb_core_of_a_deadlock():
    with core_folder() as (folder, how):
        with running(target("deadlock"), "mutex",
                     env={"COPATCH_DEADLOCK_ABORT": "1"}, **how) as program:
            program.process.wait(60)
        out = gdb(target("deadlock"), core_in(folder),
                  *commands("coroutine apply all bt"))
        check("deadlock_look" not in out and
              re.search(r"pthread_mutex_lock.*\n#.* main \(", out) and
              re.search(r"pthread_mutex_lock.*\n#.* other \(", out), out)


@case
def gdb_stub():
    """Where the side door leads: a coroutine that waits, one that is there."""
    waits = re.compile(r"pthread_barrier_wait.*\n#.* meets \(.*\n"
                       r"#.* waits \(")
    with core_folder() as (folder, how):
        with running(target("barrier"), **how) as program:
            waiter = program.line("ready")[1]
            out = gdb("-p", str(program.pid), *commands(
                f"coroutine {waiter} bt", "echo ----\\n",
                "python stubs = Registry().regions[0][0]",
                "python [gdb.Breakpoint(f'*{stubs + slot * SLOT:#x}')"
                " for slot in range(Registry().regions[0][2])]",
                "continue", "x/i $pc", "bt"))
            parked, running_there = out.split("----\n")
            check(waits.search(parked), out)
            check(re.search(r"^#0 .* in \?\? \(\)\n(#.*\n)*"
                            r"#.*pthread_barrier_wait.*\n#.* meets \(",
                            running_there, re.M), out)
            look_until(program.pid, lambda by_id: functions(
                by_id[int(waiter)])[1:3] == ["meets", "waits"], "meeting")
            program.process.send_signal(signal.SIGABRT)
            program.process.wait(60)
        out = gdb(target("barrier"), core_in(folder),
                  *commands(f"coroutine {waiter} bt"))
        check(waits.search(out), out)


@case
def gdb_runs_a_program():
    """From its start to its end, without a stop for our signals."""
    out = gdb(*commands(f"set environment LD_PRELOAD {LIBRARY}", "run",
                        "info coroutines"),
              "--args", os.path.join(BUILD, "tests", "targets", "wait_cond"))
    check("exited normally" in out and "SIGSYS" not in out and "SIG33" not in out, out)
    check("libcopatch.so is not loaded" in out or "No symbol" in out or
          "copatch is not in charge" in out, out)


@case
def gdb_installed():
    """From where make install puts it."""
    root = os.path.dirname(BUILD)
    with tempfile.TemporaryDirectory(prefix="copatch-eyes-") as prefix:
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        subprocess.run(["make", "-s", "-C", root, "install", f"PREFIX={prefix}",
                        f"BUILD={BUILD}"], env=environment, check=True,
                       capture_output=True, timeout=300)
        library = os.path.join(prefix, "lib", "copatch", "libcopatch.so")
        scripts = os.path.join(prefix, "share", "gdb", "auto-load")
        with running("/bin/sleep", "1000", env={"LD_PRELOAD": library}) as program:
            program.wait_for(lambda: library in open(
                f"/proc/{program.pid}/maps", encoding="ascii").read(), "library")
            out = gdb("-p", str(program.pid), *commands("info coroutines"), extra=[
                "-iex", f"add-auto-load-scripts-directory {scripts}",
                "-iex", f"add-auto-load-safe-path {scripts}"])
            check(re.search(rf"^ +{program.pid} sleep +", out, re.M), out)
