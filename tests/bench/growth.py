#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draws what a thread costs against how many there are, natively and under copatch.

Time to create and to join each, memory of each while it waits, and echo throughput, for 10 up to
1,000,000 threads or as many as the system lets there be. The time is the processor's, which other
work on the machine hardly changes. Prints the figures and writes
growth-create.svg, growth-memory.svg and growth-echo.svg, drawn by gnuplot.
"""

import argparse
import os
import statistics
import subprocess
import sys

from bench import ROOT
from harness import Bench, Failed

HERE = os.path.dirname(os.path.abspath(__file__))
THREADS = [10, 100, 1000, 10000, 30000, 100000, 300000, 1000000]
CONNECTIONS = [10, 30, 100, 300, 1000, 3000, 10000]
BYTES_EACH = 12000  # what a thread may take of the memory that is free
COLORS = {"native": "#a0522d", "copatch": "#00688b", "libev": "#888888"}


def available():
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def threads(bench, args):
    """Rows (variant, threads, figures); the native ones end where the system says so."""
    rows = []
    ended = set()
    for n in THREADS:
        if n > args.most or n * BYTES_EACH > available():
            print(f"{n:,} threads: left out, as asked or for want of memory", flush=True)
            continue
        samples = {"native": [], "copatch": []}
        for _ in range(args.n if n <= 30000 else 1):
            for variant, got in samples.items():
                if variant in ended:
                    continue
                values = bench.run(variant, [bench.path("blocked"), str(n)], 300)
                got.append(values)
                if values["threads"] < n:
                    ended.add(variant)
        for variant, got in samples.items():
            if not got:
                continue
            figures = {key: statistics.median(g[key] for g in got) for key in got[0]}
            rows.append((variant, int(figures["threads"]), figures))
            print(f"{variant:<9}{int(figures['threads']):>10,} threads: create "
                  f"{figures['create_cpu_us']:6.2f} us CPU ({figures['create_us']:.1f} by the clock)"
                  f", wake and join {figures['join_cpu_us']:6.2f} us ({figures['join_us']:.1f}), "
                  f"memory {figures['steady_bytes']:,.0f} bytes", flush=True)
    return rows


def echo(bench, args):
    rows = []
    for n in CONNECTIONS:
        if n + 100 > bench.files:
            print(f"{n:,} connections: left out, the limit of open files is {bench.files}")
            continue
        for variant in ("native", "copatch", "libev"):
            got = []
            for _ in range(min(args.n, 3)):
                try:
                    got.append(bench.echo("-c", n, "-t", 0.5)(variant))
                except Failed as error:
                    print(f"{variant}, {n:,} connections: {error}", flush=True)
                    break
            if not got:
                continue
            figures = {key: statistics.median(g[key] for g in got) for key in got[0]}
            figures["per_cpu_second"] = 1e6 / figures["cpu_us"]
            rows.append((variant, n, figures))
            print(f"{variant:<9}{n:>10,} connections: {figures['per_second']:,.0f} a second, "
                  f"{figures['cpu_us']:.2f} us CPU each", flush=True)
    return rows


def draw(path, title, across, rows, lines, log_y=False):
    """`lines` are (variant, key, factor, dash type, what)."""
    script = ["set terminal svg size 720,420 font 'sans,13' background 'white'",
              f"set output '{path}'", f"set title '{title}'", "set logscale x",
              "set logscale y" if log_y else "set yrange [0:*]", "set grid", "set key top left",
              f"set xlabel '{across}'", "set format x '%.0s%c'"]
    data, plots = [], []
    for i, (variant, key, factor, dash, what) in enumerate(lines):
        points = [(n, f[key] * factor) for v, n, f in rows if v == variant and f[key] > 0]
        if not points:
            continue
        data += [f"$d{i} << end", *(f"{n} {y:.4g}" for n, y in points), "end"]
        plots.append(f"$d{i} using 1:2 with linespoints dt {dash} lw 2 pt 7 ps 0.6 "
                     f"lc rgb '{COLORS[variant]}' title '{variant}{what}'")
    script = data + script + ["plot " + ", ".join(plots)]
    subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=3, help="rounds; the median counts (3)")
    parser.add_argument("--most", type=int, default=THREADS[-1], help="threads at most")
    parser.add_argument("--out", default=HERE, help="where the drawings go (tests/bench)")
    args = parser.parse_args()
    build = os.path.join(ROOT, "build")
    bench = Bench(argparse.Namespace(
        quick=True, full=False, verbose=False, n=args.n, native=False,
        copatch=os.path.join(build, "libcopatch.so"), build=os.path.join(build, "tests", "bench")))

    rows = threads(bench, args)
    draw(os.path.join(args.out, "growth-create.svg"), "Processor time for each thread, us",
         "threads at once", rows,
         [(v, key, 1, dash, what) for v in ("native", "copatch")
          for key, dash, what in (("create_cpu_us", 1, ": create"),
                                  ("join_cpu_us", 2, ": wake and join"))])
    draw(os.path.join(args.out, "growth-memory.svg"),
         "Memory of each blocked thread: resident, page tables, kernel stack; KB",
         "threads at once", [r for r in rows if r[1] >= 1000], [
             (v, "steady_bytes", 1e-3, 1, "") for v in ("native", "copatch")])
    rows = echo(bench, args)
    draw(os.path.join(args.out, "growth-echo.svg"), "Echo of 64 bytes: requests a second of the server CPU time",
         "connections", rows, [(v, "per_cpu_second", 1, 1, "") for v in ("native", "copatch", "libev")])
    return 0


if __name__ == "__main__":
    sys.exit(main())
