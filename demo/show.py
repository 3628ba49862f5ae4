#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Shows the main job: real threaded servers, natively and under copatch, side by side.

Every server is the distribution's own, unmodified. Each is started twice, once as it is and once
with copatch preloaded, and gets the same two things to do: to keep 50 slow clients waiting, and
to answer fast ones meanwhile. Every answer is checked. The exit status is 0 only if all answers
of both were right and both ended alike.
"""

import argparse
import ctypes
import hashlib
import os
import re
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SLOW = 50
FAST = 5  # no more: http.server lets no more than five wait to be accepted
HOST = "127.0.0.1"
PAGE = bytes(range(256)) * 64
VALUE = "copatch-" * 8
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class Wrong(Exception):
    """An answer that was not the right one, or none."""


class Child:
    """A process under our hand: pinned to a core, killed by its own id when its time is up."""

    def __init__(self, argv, core, preload=None, stdout=subprocess.DEVNULL, verbose=False):
        env = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        env["PYTHONUNBUFFERED"] = "1"
        if preload:
            env["LD_PRELOAD"] = preload

        def before_exec():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, {core})

        self.process = subprocess.Popen(argv, env=env, preexec_fn=before_exec,
                                        stdin=subprocess.DEVNULL, stdout=stdout,
                                        stderr=None if verbose else subprocess.DEVNULL)
        self.pid = self.process.pid

    def status(self, field):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
        raise Wrong("the server has gone")

    def cpu(self):
        """Seconds of CPU time, those of ended threads too: the kernel's CPU clock of a process."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def line(self, limit=10):
        end = time.monotonic() + limit
        line = b""
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not ready.select(max(0, end - time.monotonic())):
                    raise Wrong("the server did not start")
                got = os.read(self.process.stdout.fileno(), 256)
                if not got:
                    raise Wrong("the server ended at its start")
                line += got
        return line.decode()

    def stop(self):
        """Ends it with SIGTERM; returns its wait status and its context switches, ended threads'
        included, which /proc no longer knows."""
        if self.process.returncode is not None:
            return None, 0
        os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + 5
        while True:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                end += 3600
            time.sleep(0.01)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.stdout:
            self.process.stdout.close()
        return self.process.returncode, used.ru_nvcsw + used.ru_nivcsw


def connect(port, child=None, limit=10):
    """Connects; a server that is still starting gets until the limit, as long as it lives."""
    end = time.monotonic() + limit
    while True:
        try:
            s = socket.create_connection((HOST, port), timeout=limit)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return s
        except ConnectionRefusedError:
            if not child or child.process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.02)


def receive(s, count):
    data = b""
    while len(data) < count:
        got = s.recv(65536)
        if not got:
            break
        data += got
    return data


def expect(s, right):
    if receive(s, len(right)) != right:
        raise Wrong("a wrong answer")


def free_port():
    with socket.socket() as s:
        s.bind((HOST, 0))
        return s.getsockname()[1]


class Server:
    """What is the same for all: slow clients, fast clients, figures."""
    name = ""
    needs = ""

    def __init__(self, show):
        self.show = show
        self.child = None

    def open_slow(self):
        """A connection with a request that is not complete yet."""
        raise NotImplementedError

    def finish_slow(self, s, number):
        """Sends the rest and checks the answer."""
        raise NotImplementedError

    def fast(self, seconds):
        """Drives the server and returns (requests, seconds)."""
        return self.echo_load(seconds)

    def echo_load(self, seconds, *more):
        argv = [self.show.tool("echo_load"), "-p", str(self.port), "-c", str(SLOW),
                "-t", str(seconds), "-w", "0.1", *more]
        out = self.show.command(argv)
        figures = dict(line.split() for line in out.splitlines())
        return float(figures["requests"]), float(figures["requests"]) / float(
            figures["per_second"])

    def start(self, preload):
        raise NotImplementedError

    def run(self, preload, seconds):
        stopped = False
        slow = []
        try:
            self.start(preload)
            slow = [self.open_slow() for _ in range(SLOW)]
            time.sleep(0.2)
            cpu = self.child.cpu()
            box = {}

            def drive():
                try:
                    box["load"] = self.fast(seconds)
                except (Wrong, OSError, subprocess.SubprocessError) as error:
                    box["error"] = error

            load = threading.Thread(target=drive)
            load.start()
            time.sleep(seconds / 2)
            figures = {"threads": self.child.status("Threads"),
                       "memory": self.child.status("VmRSS") * 1024}
            load.join(seconds + 20)
            if "load" not in box:
                raise Wrong(str(box.get("error", "the fast clients did not end")))
            requests, took = box["load"]
            figures["cpu"] = (self.child.cpu() - cpu) / requests
            figures["rate"] = requests / took
            for number, s in enumerate(slow):
                self.finish_slow(s, number)
            for s in slow:
                s.close()
            stopped = True
            figures["exit"], switches = self.child.stop()
            figures["switches"] = switches / requests
            return figures
        except (Wrong, OSError, subprocess.SubprocessError) as error:
            ended = self.child.process.poll() if self.child else None
            if stopped or ended is None:
                raise
            raise Wrong(f"the server ended with {ended} ({error})") from None
        finally:
            for s in slow:
                s.close()
            if self.child and not stopped:
                self.child.stop()
            self.clean()

    def clean(self):
        pass


class Http(Server):
    name = "python3 -m http.server"
    needs = "/usr/bin/python3"
    request = b"GET /page HTTP/1.0\r\n\r\n"

    def start(self, preload):
        self.child = Child([self.needs, "-m", "http.server", "0", "--bind", HOST,
                            "--directory", self.show.directory],
                           self.show.core, preload, subprocess.PIPE, self.show.args.verbose)
        self.port = int(re.search(r"port (\d+)", self.child.line()).group(1))
        with connect(self.port, self.child) as s:
            self.finish_slow(s, -1)

    def open_slow(self):
        s = connect(self.port, self.child)
        s.sendall(self.request[:5])
        return s

    def finish_slow(self, s, number):
        # A byte at a time for the first few, as the slowest of clients do.
        rest = self.request[5:] if number >= 0 else self.request
        if 0 <= number < 5:
            for byte in rest[:-1]:
                s.sendall(bytes([byte]))
            rest = rest[-1:]
        s.sendall(rest)
        answer = receive(s, 1 << 20)
        head, _, body = answer.partition(b"\r\n\r\n")
        right = hashlib.sha256(PAGE).digest()
        if b" 200 " not in head or hashlib.sha256(body).digest() != right:
            raise Wrong("a wrong page")

    def fast(self, seconds):
        if not shutil.which("wrk"):
            return self.fast_python(seconds)
        out = self.show.command(["wrk", "-t1", f"-c{FAST}", f"-d{max(1, round(seconds))}s",
                                 f"http://{HOST}:{self.port}/page"])
        total = re.search(r"(\d+) requests in ([\d.]+)s", out)
        if not total or "Non-2xx" in out:
            raise Wrong("wrk was not answered rightly")
        broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)",
                           out)
        if broken and any(int(n) for n in broken.groups()):
            raise Wrong(broken.group(0))
        return int(total.group(1)), float(total.group(2))

    def fast_python(self, seconds):
        begin = time.monotonic()
        done = 0
        while time.monotonic() < begin + seconds:
            with connect(self.port, self.child) as s:
                self.finish_slow(s, -1)
            done += 1
        return done, time.monotonic() - begin


class Socks(Server):
    name = "microsocks"
    needs = "microsocks"
    target = None

    def start(self, preload):
        self.target = Child([self.show.tool("echo_epoll")], self.show.load_core,
                            stdout=subprocess.PIPE)
        self.target_port = int(self.target.line().split()[1])
        self.port = free_port()
        self.child = Child([shutil.which(self.needs), "-i", HOST, "-p", str(self.port)],
                           self.show.core, preload, verbose=self.show.args.verbose)

    def open_slow(self):
        s = connect(self.port, self.child)
        s.sendall(b"\5\1\0")
        expect(s, b"\5\0")
        s.sendall(b"\5\1\0\1\x7f\0\0\1" + self.target_port.to_bytes(2, "big"))
        if receive(s, 10)[:2] != b"\5\0":
            raise Wrong("the proxy refused")
        return s

    def finish_slow(self, s, number):
        text = b"slow client %d\n" % number * 100
        s.sendall(text)
        expect(s, text)

    def fast(self, seconds):
        return self.echo_load(seconds, "-x", str(self.target_port))

    def clean(self):
        if self.target:
            self.target.stop()


class Memcached(Server):
    name = "memcached -t 4"
    needs = "memcached"

    def start(self, preload):
        self.port = free_port()
        self.child = Child([shutil.which(self.needs), "-l", HOST, "-p", str(self.port), "-U", "0",
                            "-t", "4", "-m", "64", "-u", "root" if os.getuid() == 0 else "nobody"],
                           self.show.core, preload, verbose=self.show.args.verbose)
        with connect(self.port, self.child) as s:
            s.sendall(f"set fast 0 0 {len(VALUE)}\r\n{VALUE}\r\n".encode())
            expect(s, b"STORED\r\n")

    def open_slow(self):
        s = connect(self.port, self.child)
        s.sendall(b"set slow")
        return s

    def finish_slow(self, s, number):
        s.sendall(b"%d 0 0 5\r\n%05d\r\nget slow%d\r\n" % (number, number, number))
        expect(s, b"STORED\r\nVALUE slow%d 0 5\r\n%05d\r\nEND\r\n" % (number, number))

    def fast(self, seconds):
        return self.echo_load(seconds, "-q", "get fast\r\n", "-a",
                              f"VALUE fast 0 {len(VALUE)}\r\n{VALUE}\r\nEND\r\n")


class Show:
    def __init__(self, args, directory):
        cpus = sorted(os.sched_getaffinity(0))
        self.core = cpus[0]
        self.load_core = cpus[1] if len(cpus) > 1 else cpus[0]
        self.args = args
        self.directory = directory
        os.sched_setaffinity(0, {self.load_core})

    def tool(self, name):
        return os.path.join(self.args.build, name)

    def command(self, argv):
        done = subprocess.run(argv, capture_output=True, text=True, check=False,
                              timeout=self.args.seconds + 15)
        if done.returncode:
            text = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise Wrong(f"{os.path.basename(argv[0])}: {text}")
        return done.stdout

    def row(self, label, figures):
        memory = figures["memory"] / 1e6
        print(f"  {label:<12}{figures['threads']:>8}{memory:>9.1f} MB{figures['rate']:>12,.0f}"
              f"{figures['cpu'] * 1e6:>12.1f}{figures['switches']:>12.2f}   right", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copatch", default=os.path.join(ROOT, "build", "libcopatch.so"),
                        help="the library to preload (build/libcopatch.so)")
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "tests", "bench"),
                        help="where echo_load and echo_epoll are (build/tests/bench)")
    parser.add_argument("--seconds", type=float, default=2, help="of load for each server (2)")
    parser.add_argument("--verbose", action="store_true", help="let the servers write to stderr")
    parser.add_argument("--native", action="store_true", help="show the native side alone")
    args = parser.parse_args()
    args.copatch = os.path.abspath(args.copatch)
    needed = [os.path.join(args.build, "echo_load"), os.path.join(args.build, "echo_epoll")]
    for path in needed + ([] if args.native else [args.copatch]):
        if not os.path.exists(path):
            print(f"show.py: {path} is missing; run make first", file=sys.stderr)
            return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    print(f"Real servers, unmodified, with {SLOW} slow clients connected while others ask fast\n")
    print(f"  {'':<12}{'kernel':>8}{'resident':>12}{'requests':>12}{'CPU us per':>12}"
          f"{'switches':>12}\n"
          f"  {'':<12}{'threads':>8}{'memory':>12}{'a second':>12}{'request':>12}"
          f"{'a request':>12}   answers")
    good = shown = 0
    with tempfile.TemporaryDirectory(prefix="copatch-show-") as directory:
        os.chmod(directory, 0o755)
        with open(os.path.join(directory, "page"), "wb") as page:
            page.write(PAGE)
        show = Show(args, directory)
        for kind in (Http, Socks, Memcached):
            print(f"\n{kind.name}")
            if not shutil.which(kind.needs):
                print(f"  skipped: {kind.needs} is not installed")
                continue
            exits = []
            for label, preload in (("native", None), ("copatch", args.copatch)):
                if preload and args.native:
                    continue
                shown += 1
                try:
                    figures = kind(show).run(preload, args.seconds)
                except (Wrong, OSError, subprocess.SubprocessError) as error:
                    print(f"  {label:<12}FAILED: {error}", flush=True)
                    continue
                show.row(label, figures)
                exits.append(figures["exit"])
                good += 1
            if len(set(exits)) > 1:
                print(f"  FAILED: natively it ended with {exits[0]}, under copatch with {exits[1]}")
                good -= 1
    print("\nNatively every thread of a server is a thread of the kernel; under copatch the same"
          " program has\nthem as coroutines on one kernel thread, plus a helper or two where it"
          " reads files. Switches are\nthe kernel's context switches over the server's whole"
          " life, so each one less is a wait that\ncopatch ended by itself.")
    return 0 if good == shown and good else 1


if __name__ == "__main__":
    sys.exit(main())
