#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures programs natively and under copatch, interleaved in one run, and prints medians.

Each row of the table runs the same program by turns natively and with copatch preloaded, so that
whatever else the machine does falls on both. The echo rows put a hand-written libev server and
an edge-triggered epoll server beside them. RESULTS.md explains the method.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import selectors
import signal
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A child went wrong; the text says how."""


def last_line(data):
    lines = data.decode(errors="replace").strip().splitlines()
    return lines[-1][:160] if lines else ""


class Bench:
    def __init__(self, args):
        self.args = args
        cpus = sorted(os.sched_getaffinity(0))
        self.core = cpus[0]
        self.load_core = cpus[1] if len(cpus) > 1 else cpus[0]
        self.one_core = len(cpus) < 2
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.files = hard if hard != resource.RLIM_INFINITY else 1 << 20
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.rows = []
        self.broken = False
        # A machine busy with other things: from here on, one round a row keeps the promised time.
        self.hurry = time.monotonic() + (30 if args.quick else 240)
        if args.full:
            self.hurry += 3600

    def path(self, program):
        return os.path.join(self.args.build, program)

    def spawn(self, variant, argv, core, **pipes):
        """Starts a child on one core; copatch is preloaded in the child alone."""
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        if variant == "copatch":
            env["LD_PRELOAD"] = self.args.copatch

        def before_exec():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {core})

        return subprocess.Popen(argv, env=env, preexec_fn=before_exec,
                                stdin=subprocess.DEVNULL, **pipes)

    def run(self, variant, argv, limit, core=None):
        """Runs a program to its end and returns its "name value" lines."""
        child = self.spawn(variant, argv, self.core if core is None else core,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise Failed(f"killed after {limit} s") from None
        if child.returncode:
            how = (f"exit status {child.returncode}" if child.returncode > 0
                   else f"signal {-child.returncode}")
            raise Failed(f"{how}: {last_line(err)}")
        values = {}
        for line in out.decode(errors="replace").splitlines():
            name, _, value = line.partition(" ")
            try:
                values[name] = float(value)
            except ValueError:
                pass
        return values

    def program(self, name, *argv, limit=30):
        return lambda variant: self.run(variant, [self.path(name), *map(str, argv)], limit)

    def startup(self, variant):
        """The time of one /bin/true, of 20 in a row."""
        begin = time.monotonic()
        for _ in range(20):
            self.run(variant, ["/bin/true"], 10)
        return {"ms": (time.monotonic() - begin) / 20 * 1e3}

    def read_port(self, server, limit=10):
        end = time.monotonic() + limit
        line = b""
        with selectors.DefaultSelector() as ready:
            ready.register(server.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not ready.select(max(0, end - time.monotonic())):
                    raise Failed("the server named no port")
                got = os.read(server.stdout.fileno(), 64)
                if not got:
                    raise Failed("at its start")
                line += got
        return line.split()[1].decode()

    def echo(self, *load, limit=40):
        """A server of the variant's kind, and the load that drives it."""
        kind = {"native": "echo_threads", "copatch": "echo_threads",
                "libev": "echo_libev", "epoll": "echo_epoll"}

        def once(variant):
            server = self.spawn(variant, [self.path(kind[variant])], self.core,
                                stdout=subprocess.PIPE,
                                stderr=None if self.args.verbose else subprocess.DEVNULL)
            try:
                port = self.read_port(server)
                return self.run("native", [self.path("echo_load"), "-p", port, "-P",
                                           str(server.pid), *map(str, load)],
                                limit, self.load_core)
            except Failed as error:
                ended = server.poll()
                if ended is None:
                    raise
                raise Failed(f"the server ended with {ended} ({error})") from None
            finally:
                server.kill()
                server.wait()
                server.stdout.close()
        return once

    def measure(self, title, once, columns, variants=("native", "copatch"), rounds=None):
        """Runs the variants by turns and prints a row for each column.

        A column is (what, key, unit, marks...); a mark is (factor, variant, text): copatch must
        not be above (in "/s": below) factor times that variant's figure, or that number if
        variant is None. The gain is how many times better than native copatch is; more is
        better in "/s" alone.
        """
        variants = [v for v in variants if v != "copatch" or self.args.copatch]
        samples = {v: [] for v in variants}
        failed = {}
        done = 0
        for _ in range(rounds or self.args.n):
            if done and time.monotonic() > self.hurry:
                break
            done += 1
            for variant in variants:
                if variant in failed:
                    continue
                try:
                    samples[variant].append(once(variant))
                except (Failed, OSError, subprocess.SubprocessError) as error:
                    failed[variant] = str(error)
        for what, key, unit, *marks in columns:
            figure = {v: statistics.median(s[key] for s in samples[v])
                      for v in variants if v not in failed}
            row = {"work": title + what, "unit": unit, **figure, "mark": "",
                   "failed": failed, "rounds": done,
                   "samples": {v: [s[key] for s in samples[v]] for v in variants}}
            more = unit == "/s"
            if unit and figure.get("native", 0) > 0 and figure.get("copatch", 0) > 0:
                gain = figure["native"] / figure["copatch"]
                row["gain"] = 1 / gain if more else gain
            words = []
            for factor, base, text in marks if "copatch" in figure else ():
                limit = factor if base is None else factor * figure.get(base, 0)
                if limit:
                    holds = figure["copatch"] >= limit if more else figure["copatch"] <= limit
                    words.append(f"{text}: {'holds' if holds else 'falls short'}")
            row["mark"] = ", ".join(words)
            self.rows.append(row)
            self.show(row)
        if done < (rounds or self.args.n):
            print(f"  only {done} of {rounds or self.args.n} rounds: the time is up", flush=True)
        for variant, error in failed.items():
            self.broken = True
            print(f"  {variant} FAILED: {error}", flush=True)

    def head(self):
        print(f"{'work':<46}{'unit':<6}{'native':>10}{'copatch':>10}{'gain':>9}"
              f"{'libev':>9}{'epoll':>9}  mark", flush=True)

    def show(self, row):
        def number(key, width):
            value = row.get(key)
            if value is None:
                text = "failed" if key in row["failed"] else "-"
            elif value >= 1e4:
                text = f"{value:,.0f}"
            else:
                text = f"{value:.3g}" if value < 100 else f"{value:.0f}"
            return text.rjust(width)

        gain = f"{row['gain']:.2f}x" if "gain" in row else "-"
        print(f"{row['work']:<46}{row['unit']:<6}{number('native', 10)}{number('copatch', 10)}"
              f"{gain:>9}{number('libev', 9)}{number('epoll', 9)}  {row['mark']}".rstrip(),
              flush=True)


def times(factor, text=None):
    return (1 / factor, "native", text or f"{factor:g} times native")


def at_most(factor, variant):
    return (factor, variant, f"at most {factor:g} of {variant}")


def threads(bench):
    quick = bench.args.quick
    t = 0.15 if quick else 0.5
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
    for kind, name, mark in (("alone", "mutex, uncontended", at_most(1.1, "native")),
                             ("crowd", "mutex, 16 threads, held 200 ns", at_most(1, "native")),
                             ("queue1", "queue of 1 slot, an item", times(20)),
                             ("queue64", "queue of 64, 4 to 4, an item", at_most(1, "native"))):
        bench.measure(name, bench.program("locks", kind, 0.1 if quick else 0.3),
                      [("", "ns", "ns", mark)])
    bench.measure("start-up of true", bench.startup, [("", "ms", "ms")])


def memory(bench):
    if bench.args.full:
        counts = [1000, 10000, 100000, 1000000]
    else:
        counts = [1000] if bench.args.quick else [10000]
    for n in counts:
        # Natively a program ends near 30,000 threads: the kernel's pid_max and max_map_count.
        variants = ("native", "copatch") if n <= 10000 else ("copatch",)
        bench.measure(f"{n:,} blocked threads", bench.program("blocked", n, limit=120), [
            (": number", "threads", ""),
            (": resident each", "resident_bytes", "B"),
            (": both", "all_bytes", "B",
             (9500, None, "at most 9.5 KB")),
            (": create each", "create_us", "us", (12, None, "at most 12 us")),
            (": wake and join each", "join_us", "us", (6, None, "at most 6 us"))],
            variants, rounds=1 if n > 10000 else None)


def sleeping(bench):
    t = 0.5 if bench.args.quick else 2
    bench.measure("10,000 sleepers", bench.program("sleepers", 10000, t, limit=60), [
        (": sleeps a second", "per_second", "/s", (4, "native", "4 times native")),
        (": CPU each", "cpu_us", "us", times(4, "a quarter of native"))],
        rounds=1 if bench.args.quick else None)
    bench.measure("100 sleepers", bench.program("sleepers", 100, min(t, 1)), [
        (": CPU each", "cpu_us", "us"),
        (": late, p50", "late_p50_us", "us", at_most(1, "native")),
        (": late, p99", "late_p99_us", "us", at_most(1, "native"))])


def echo(bench):
    quick = bench.args.quick
    servers = ("native", "copatch", "libev", "epoll")
    t = 0.3 if quick else 1
    alone = 0
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
                      columns, servers, rounds=min(3, bench.args.n) if n > 1000 else None)
        if n == 100:
            alone = bench.rows[-len(columns)].get("copatch", 0)
    idle = 1000 if quick else min(10000, bench.files - 200)
    bench.measure(f"echo, 100 busy, {idle:,} idle", bench.echo("-c", 100, "-i", idle, "-t", t), [
        (": CPU a request", "cpu_us", "us", (1.05 * alone, None, "at most 1.05 of 100 alone"))],
        servers, rounds=1 if quick else min(3, bench.args.n))
    bench.measure("connect, echo, close, 50 at a time",
                  bench.echo("-c", 50, "-n", "-t", min(t, 0.8)), [
                      (": CPU each", "cpu_us", "us", at_most(0.5, "native")),
                      (": a second", "per_second", "/s")], servers)


PARTS = {"threads": threads, "memory": memory, "sleepers": sleeping, "echo": echo}


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
