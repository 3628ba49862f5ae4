#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures programs natively and under copatch, interleaved in one run, and prints medians.

Each row of the table runs the same program by turns natively and with copatch preloaded, so that
whatever else the machine does falls on both. The echo rows put a hand-written libev server and
an edge-triggered epoll server beside them. RESULTS.md explains the method.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time

import real
from harness import Bench, at_most, times

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def threads(bench):
    quick = bench.args.quick
    t = 0.15 if quick else 0.3
    for kind, name, mark in (("cond", "token, mutex and condition variable", times(40)),
                             ("sem", "token, semaphore", times(20)),
                             ("pipe", "token, pipe", times(1.3)),
                             ("ring", "token, ring of 1,000, semaphore", times(40))):
        bench.measure(name, bench.program("token", kind, t), [("", "ns", "ns", mark)])
    for kind, name in (("one", "create and join, one at a time"),
                       ("batch", "create and join, batches of 1,000")):
        bench.measure(name, bench.program("create", kind, t), [("", "us", "us", times(20))])
    bench.measure("system call", bench.program("trap", 0.1), [
        (", by the program itself", "own_ns", "ns"),
        (", by libc", "libc_ns", "ns")])
    bench.measure("mutex, uncontended", bench.program("locks", "alone", 0.1 if quick else 0.2), [
        ("", "tenth_ns", "ns", (1.02, "native", "1.0 of native, within 2 per cent")),
        (": by the clock", "ns", "ns")])
    bench.measure("mutex, 16 threads, held 200 ns", bench.program("locks", "crowd", 0.3),
                  [("", "cpu_ns", "ns", at_most(1, "native")), (": by the clock", "ns", "ns")],
                  rounds=bench.args.n * (1 if quick else 3))
    for kind, name, mark in (("queue1", "queue of 1 slot, an item", times(20)),
                             ("queue64", "queue of 64, 4 to 4, an item", at_most(1, "native"))):
        bench.measure(name, bench.program("locks", kind, 0.1 if quick else 0.2),
                      [("", "ns", "ns", mark)])
    bench.measure("start-up of true", bench.startup, [
        ("", "ms", "ms", (lambda native: native + 3, "native", "at most 3 ms over native"))])


def memory(bench):
    if bench.args.full:
        counts = [1000, 10000, 100000, 1000000]
    else:
        counts = [1000] if bench.args.quick else [10000]
    least = {}
    for n in counts:
        # Natively a program ends near 30,000 threads: the kernel's pid_max and max_map_count.
        variants = ("native", "copatch") if n <= 10000 else ("copatch",)
        if n > 10000:
            # A virtual machine's host takes back what is free: this also fetches it.
            bench.measure(f"{n:,} times two pages", bench.program("pages", n, limit=120), [
                (": first touched, each", "first_us", "us"),
                (": touched again", "again_us", "us")], ("native",), rounds=1)
        bench.measure(f"{n:,} blocked threads", bench.program("blocked", n, limit=120), [
            (": number", "threads", ""),
            (": resident each", "resident_bytes", "B"),
            (": both", "all_bytes", "B",
             (9500, None, "at most 9.5 KB")),
            (": create each", "create_us", "us", (12, None, "at most 12 us"),
             *flat(least, "create")),
            (": wake and join each", "join_us", "us", (6, None, "at most 6 us"),
             *flat(least, "join"))],
            variants, rounds=min(bench.args.n, 3) if n > 10000 else None)
        if n == 1000:
            least["create"], least["join"] = (r.get("copatch", 0) for r in bench.rows[-2:])


def flat(least, key):
    """No curve bends upward: the mark of all numbers but the least."""
    return [(1.5 * least[key], None, "at most 1.5 of 1,000")] if least.get(key) else []


def sleeping(bench):
    t = 0.5 if bench.args.quick else 1
    bench.measure("10,000 sleepers", bench.program("sleepers", 10000, t, limit=60), [
        (": sleeps a second", "per_second", "/s", (4, "native", "4 times native")),
        (": CPU each", "cpu_us", "us", times(4, "a quarter of native"))],
        rounds=1 if bench.args.quick else None)
    bench.measure("100 sleepers", bench.program("sleepers", 100, min(t, 1)), [
        (": CPU each", "cpu_us", "us"),
        (": late, p50", "late_p50_us", "us", at_most(1, "native")),
        (": late, p99", "late_p99_us", "us", at_most(1, "native"))])
    if bench.args.full:
        many_sleepers(bench)


def many_sleepers(bench):
    """A million sleepers. Their lateness is held against the kernel's with ten thousand that it can
    manage, what one costs against ten thousand that wake as often: a logarithm grows by half."""
    late = [(": late, p50", "late_p50_us", "us"), (": late, p99", "late_p99_us", "us")]
    bench.measure("10,000 sleepers of 0.1 to 1 s",
                  bench.program("sleepers", 10000, 2, 100, limit=60),
                  [(": CPU each", "cpu_us", "us"), *[(*c, at_most(1, "native")) for c in late]])
    kernel = [row.get("native", 0) for row in bench.rows[-2:]]
    bench.measure("10,000 sleepers of 10 to 100 ms",
                  bench.program("sleepers", 10000, 2, 10, limit=60),
                  [(": CPU each", "cpu_us", "us")], ("copatch",))
    few = bench.rows[-1].get("copatch", 0)
    bench.measure("1,000,000 sleepers of 1 to 10 s",
                  bench.program("sleepers", 1000000, 10, 1000, limit=300),
                  [(": sleeps a second", "per_second", "/s"),
                   (": CPU each", "cpu_us", "us", (4 * few, None, "at most 4 of 10,000's")),
                   *[(*c, (us, None, "at most 1 of 10,000 natively"))
                     for c, us in zip(late, kernel)]], ("copatch",), rounds=min(bench.args.n, 3))


def echo(bench):
    quick = bench.args.quick
    servers = ("native", "copatch", "libev", "epoll")
    t = 0.3 if quick else 0.6
    counts = [1, 100, 1000] if quick else [1, 10, 100, 1000, 10000]
    for n in counts:
        if n + 100 > bench.files:
            print(f"echo, {n:,} connections: skipped, the limit of open files is {bench.files}")
            continue
        columns = [(": CPU a request", "cpu_us", "us", *(
                       [at_most(1, "native")] if n == 1 else
                       [at_most(1, "libev"), at_most(1.05, "epoll")])),
                   (": requests a second", "per_second", "/s"),
                   (": p50", "p50_us", "us", *[at_most(1, "native")][:n == 1]),
                   (": p99", "p99_us", "us", *[at_most(1, "libev")][:n in (100, 1000)])]
        bench.measure(f"echo, {n:,} connection{'s'[:n > 1]}", bench.echo("-c", n, "-t", t),
                      columns, servers)
    idle = 1000 if quick else min(10000, bench.files - 200)
    bench.measure(f"echo, 100 busy, {idle:,} idle", beside_idle(bench, idle, t), [
        (": CPU a request", "cpu_us", "us"),
        (": of 100 alone", "ratio", "", (1.05, None, "at most 1.05"))],
        servers, rounds=1 if quick else None)
    bench.measure("connect, echo, close, 50 at a time",
                  bench.echo("-c", 50, "-n", "-t", t), [
                      (": CPU each", "cpu_us", "us", at_most(0.5, "native")),
                      (": a second", "per_second", "/s")], servers)


def by_turns(drives, loads, turns):
    """What each of two servers takes for a request when they have their loads by turns, and the
    second in parts of the first: whatever else the machine does falls on both."""
    pairs = [[drive(*load)["cpu_us"] for drive, load in zip(drives, loads)]
             for _ in range(turns)]
    return {"cpu_us": statistics.median(us for _, us in pairs),
            "ratio": statistics.median(us / first for first, us in pairs)}


def beside_idle(bench, idle, t):
    """The same load with idle connections, and at another server without."""
    def once(variant):
        load = ("-c", 100, "-t", t)
        with bench.server(variant) as alone, bench.server(variant) as beside:
            return by_turns((alone, beside), (load, (*load, "-i", idle)), 1)
    return once


def hog(bench):
    """One slice is 10 ms: copatch(1), --slice."""
    bench.measure("echo, 100 connections, a hog beside",
                  bench.echo("-c", 100, "-t", 0.5 if bench.args.quick else 1,
                             server_args=["-g", "1"]), [
                      (": p50", "p50_us", "us"),
                      (": p99", "p99_us", "us", (20000, None, "at most 2 slices"))])


def trace(bench):
    """What --trace costs a server that switches at every request: two servers, with and without,
    have the load by turns."""
    with tempfile.TemporaryDirectory(prefix="copatch-bench-") as folder:
        path = os.path.join(folder, "trace.json")
        load = ("-c", 100, "-t", 0.2)

        def once(variant):
            with bench.server(variant) as plain, \
                 bench.server(variant, options={"COPATCH_TRACE": path}) as traced:
                figure = by_turns((plain, traced), (load, load), 2 if bench.args.quick else 5)
            figure["megabytes"] = os.path.getsize(path) / 1e6
            os.unlink(path)
            return figure
        bench.measure("echo, 100 connections, traced", once, [
            (": CPU, of untraced", "ratio", "", (1.05, None, "at most 1.05")),
            (": the file", "megabytes", "MB", (210, None, "at most --trace-size"))],
            ("copatch",))


PARTS = {"threads": threads, "memory": memory, "sleepers": sleeping, "echo": echo, "hog": hog,
         "trace": trace,
         "http": real.http, "clients": real.clients, "python": real.python,
         "mariadb": real.mariadb}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, help="rounds; the median counts (5; with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="short rounds, under a minute")
    parser.add_argument("--full", action="store_true", help="also up to a million threads")
    parser.add_argument("--only", action="append", choices=sorted(PARTS), help="this part only")
    parser.add_argument("--native", action="store_true", help="measure without copatch")
    parser.add_argument("--copatch", default=os.path.join(ROOT, "build", "libcopatch.so"),
                        help="the library to preload (build/libcopatch.so)")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "tests", "bench"),
                        help="where the bench programs are (build/tests/bench)")
    parser.add_argument("--verbose", action="store_true", help="let the servers write to stderr")
    parser.add_argument("--json", metavar="FILE", help="also write every sample there")
    args = parser.parse_args()
    if args.n is None:
        args.n = 3 if args.quick else 5
    if args.n < 1:
        parser.error("-n must be at least 1")
    args.copatch = None if args.native else os.path.abspath(args.copatch)
    for needed in [args.copatch, os.path.join(args.build, "token")]:
        if needed and not os.path.exists(needed):
            print(f"bench.py: {needed} is missing; run make first", file=sys.stderr)
            return 2

    bench = Bench(args)
    begin = time.monotonic()
    machine = (f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs, "
               f"{' '.join(platform.libc_ver())}, load {os.getloadavg()[0]:.2f}")
    print(f"{machine}; medians of {args.n}, server and program on CPU {bench.core}, "
          f"load on CPU {bench.load_core}")
    if bench.one_core:
        print("only one CPU: the load runs beside the server, so requests a second mean little")
    bench.head()
    for name, part in PARTS.items():
        if not args.only or name in args.only:
            part(bench)
    print(f"took {time.monotonic() - begin:.0f} s", flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as out:
            json.dump({"machine": machine, "rounds": args.n, "rows": bench.rows}, out, indent=1)
            out.write("\n")
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
