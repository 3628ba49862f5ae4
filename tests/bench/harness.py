# SPDX-License-Identifier: MIT
"""Runs programs by turns natively and under copatch, and prints a table of medians."""

import contextlib
import ctypes
import os
import resource
import selectors
import signal
import statistics
import subprocess
import time

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
        self.hurry = time.monotonic() + (30 if args.quick else 600)
        if args.full:
            self.hurry += 3600

    def path(self, program):
        return os.path.join(self.args.build, program)

    def spawn(self, variant, argv, core, options=None, **pipes):
        """Starts a child on one core; copatch is preloaded in the child alone.

        `options` are copatch's variables.
        """
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        env.update(options or {})
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

    @contextlib.contextmanager
    def server(self, variant, server_args=(), options=None):
        """An echo server of the variant's kind; what it is given as drives it with a load."""
        kind = {"native": "echo_threads", "copatch": "echo_threads",
                "libev": "echo_libev", "epoll": "echo_epoll"}
        server = self.spawn(variant, [self.path(kind[variant]), *server_args], self.core,
                            options, stdout=subprocess.PIPE,
                            stderr=None if self.args.verbose else subprocess.DEVNULL)
        try:
            port = self.read_port(server)
            yield lambda *load, limit=90: self.run(
                "native", [self.path("echo_load"), "-p", port, "-P", str(server.pid),
                           *map(str, load)], limit, self.load_core)
        except Failed as error:
            ended = server.poll()
            if ended is None:
                raise
            raise Failed(f"the server ended with {ended} ({error})") from None
        finally:
            server.kill()
            server.wait()
            server.stdout.close()

    def echo(self, *load, limit=90, server_args=()):
        """A server of the variant's kind, and the load that drives it."""
        def once(variant):
            with self.server(variant, server_args) as drive:
                return drive(*load, limit=limit)
        return once

    def measure(self, title, once, columns, variants=("native", "copatch"), rounds=None):
        """Runs the variants by turns and prints a row for each column.

        A column is (what, key, unit, marks...); a mark is (factor, variant, text): copatch must
        not be above (in "/s": below) factor times that variant's figure, or that number if
        variant is None; or factor is a function that tells the limit from that figure. The gain is how many times better than native copatch is; more is
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
                limit = factor if base is None else figure.get(base, 0)
                if limit and base is not None:
                    limit = factor(limit) if callable(factor) else factor * limit
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


def at_least(factor, variant):
    return (factor, variant, f"at least {factor:g} of {variant}")
