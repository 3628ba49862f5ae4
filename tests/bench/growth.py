#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draws what a thread costs against how many there are, natively and under copatch.

Time to create and to join each, memory of each while it waits, and echo throughput, for 10 up to
1,000,000 threads or as many as the system lets there be. Echo is drawn twice: with a busy
connection for each thread, as far as descriptors and ports go, and with a thousand of them while
all other threads are blocked. The time is the processor's, which other work on the machine hardly
changes. Prints the figures and writes growth-create.svg, growth-memory.svg and growth-echo.svg,
drawn by gnuplot. About six minutes.
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
PORTS = 28000  # connections to one port from one address, by default
BUSY = 1000  # connections, beside threads that are blocked
BYTES_EACH = 12000  # what a thread may take of the memory that is free
COLORS = {"native": "#a0522d", "copatch": "#00688b", "libev": "#888888"}


def available():
    with open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


def room_for(n, args):
    if n <= args.most and n * BYTES_EACH < available():
        return True
    print(f"{n:,} threads: left out, as asked or for want of memory", flush=True)
    return False


def medians(samples):
    return {key: statistics.median(s[key] for s in samples) for key in samples[0]}


def threads(bench, args):
    """Rows (variant, threads, figures); the native ones end where the system says so."""
    rows = []
    ended = set()
    for n in THREADS:
        if not room_for(n, args):
            continue
        # The host of a virtual machine may have taken back what is free: see RESULTS.md.
        bench.run("native", [bench.path("pages"), str(n)], 300)
        samples = {"native": [], "copatch": []}
        for _ in range(args.n):
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
            figures = medians(got)
            rows.append((variant, int(figures["threads"]), figures))
            print(f"{variant:<9}{int(figures['threads']):>10,} threads: create "
                  f"{figures['create_cpu_us']:6.2f} us CPU ({figures['create_us']:.1f} by the clock)"
                  f", wake and join {figures['join_cpu_us']:6.2f} us ({figures['join_us']:.1f}), "
                  f"memory {figures['steady_bytes']:,.0f} bytes", flush=True)
    return rows


def echo(bench, args):
    """Rows (variant, threads, figures) of both ways; a variant's end where it fails."""
    most = min(bench.files - 100, PORTS)
    counts = [n for n in CONNECTIONS if n < most] + [most]
    rows = []
    for n in counts:
        for variant in ("native", "copatch", "libev"):
            rows += echo_row(bench, args, variant, n, n, 0)
    ended = set()
    for n in THREADS:
        if n <= BUSY or not room_for(n, args):
            continue
        for variant in ("native", "copatch"):
            if variant in ended:
                continue
            row = echo_row(bench, args, variant, BUSY, n, n - BUSY)
            rows += row
            if not row:
                ended.add(variant)
    return rows


def echo_row(bench, args, variant, connections, n, blocked):
    got = []
    once = bench.echo("-c", connections, "-t", 0.5, limit=300,
                      server_args=["-b", str(blocked)] if blocked else ())
    for _ in range(min(args.n, 3) if n <= 30000 else 1):
        try:
            got.append(once(variant))
        except Failed as error:
            print(f"{variant}, {n:,} threads: {error}", flush=True)
            return []
    figures = medians(got)
    figures["beside" if blocked else "busy"] = 1e6 / figures["cpu_us"]
    print(f"{variant:<9}{connections:>10,} connections, {blocked:,} threads blocked: "
          f"{figures['per_second']:,.0f} a second, {figures['cpu_us']:.2f} us CPU each",
          flush=True)
    return [(variant, n, figures)]


def draw(path, title, across, rows, lines):
    """`lines` are (variant, key, factor, dash type, what)."""
    script = ["set terminal svg size 720,440 font 'sans,13' background 'white'",
              f"set output '{path}'", f"set title '{title}'", "set logscale x",
              "set yrange [0:*]", "set grid", "set key below", "set autoscale xfix",
              f"set xlabel '{across}'", "set format x '%.0s%c'", "set format y '%.0s%c'"]
    data, plots = [], []
    for i, (variant, key, factor, dash, what) in enumerate(lines):
        points = [(n, f[key] * factor) for v, n, f in rows if v == variant and f.get(key, 0) > 0]
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
    draw(os.path.join(args.out, "growth-echo.svg"),
         "Echo of 64 bytes: requests for each second of processor time",
         "threads (libev: connections)", rows,
         [(v, "busy", 1, 1, ": each a busy connection") for v in ("native", "copatch", "libev")]
         + [(v, "beside", 1, 2, ": 1,000 busy, all others blocked") for v in ("native", "copatch")])
    return 0


if __name__ == "__main__":
    sys.exit(main())
