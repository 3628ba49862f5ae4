# SPDX-License-Identifier: MIT
"""The rows of the bench that need programs of others: wrk, Python, MariaDB."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from harness import Failed, at_least, at_most

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"


def process_cpu(pid):
    """Seconds of CPU time, of threads that have ended too (clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


@contextlib.contextmanager
def serving(bench, variant, argv, named=True, **more):
    """A server on the program's core; gives its process and the port that it names."""
    server = bench.spawn(variant, argv, bench.core,
                         stdout=subprocess.PIPE if named else subprocess.DEVNULL,
                         stderr=None if bench.args.verbose else subprocess.DEVNULL, **more)
    try:
        yield server, bench.read_port(server) if named else None
    finally:
        server.kill()
        server.wait()
        if named:
            server.stdout.close()


def wrk(bench, server, port, connections, seconds):
    """Runs wrk; requests a second, and the server's CPU time for each."""
    cpu = process_cpu(server.pid)
    child = bench.spawn("native", ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
                                   f"http://127.0.0.1:{port}/"], bench.load_core,
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        out = child.communicate(timeout=seconds + 30)[0].decode()
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise Failed("wrk did not end") from None
    cpu = process_cpu(server.pid) - cpu
    found = re.search(r"(\d+) requests in", out)
    bad = re.search(r"Non-2xx.*|Socket errors: connect [1-9].*", out)
    if child.returncode or not found or bad:
        raise Failed(bad.group() if bad else out.strip()[-100:])
    requests = int(found.group(1))
    if not requests:
        raise Failed("no request was answered")
    return {"per_second": requests / seconds, "cpu_us": cpu * 1e6 / requests}


def http(bench):
    kind = {"native": "echo_threads", "copatch": "echo_threads", "libev": "echo_libev"}
    seconds = 1

    def once(connections):
        def run(variant):
            with serving(bench, variant, [bench.path(kind[variant]), "-h"]) as (server, port):
                wrk(bench, server, port, connections, 1)
                return wrk(bench, server, port, connections, seconds)
        return run

    for n in (100, 1000):
        bench.measure(f"HTTP by wrk, {n:,} connections", once(n), [
            (": CPU a request", "cpu_us", "us", at_most(1, "libev")),
            (": requests a second", "per_second", "/s")], ("native", "copatch", "libev"))


def clients(bench):
    """Threads that connect; echo_load is the same by epoll."""
    seconds = 0.3 if bench.args.quick else 0.6

    def once(*more):
        def run(variant):
            server = bench.spawn("native", [bench.path("echo_epoll")], bench.load_core,
                                 stdout=subprocess.PIPE)
            try:
                port = bench.read_port(server)
                if variant == "epoll":
                    values = bench.run("native", [bench.path("echo_load"), "-p", port, "-c", "500",
                                                  "-t", str(seconds), *more], 40)
                    values["cpu_us"] = values["own_cpu_us"]
                    return values
                return bench.run(variant, [bench.path("clients"), "-p", port, "-c", "500",
                                           "-t", str(seconds), *more], 40)
            finally:
                server.kill()
                server.wait()
                server.stdout.close()
        return run

    for name, more, factor in (("kept connections", (), 0.6), ("new connections", ("-n",), 1)):
        bench.measure(f"500 client threads, {name}", once(*more), [
            (": CPU a request", "cpu_us", "us", at_most(factor, "native")),
            (": requests a second", "per_second", "/s")], ("native", "copatch", "epoll"))


def python(bench):
    seconds = 0.5 if bench.args.quick else 1

    def echo(variant):
        with serving(bench, variant, [PYTHON, os.path.join(HERE, "py_echo.py")]) as (server, port):
            return bench.run("native", [bench.path("echo_load"), "-p", port, "-P", str(server.pid),
                                        "-c", "100", "-t", str(seconds)], 40, bench.load_core)

    def http_server(variant):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "index.html"), "w", encoding="ascii") as page:
                page.write("hello\n")
            port = free_port()
            with serving(bench, variant, [PYTHON, "-m", "http.server", "--bind", "127.0.0.1",
                                          "-d", folder, str(port)], named=False) as (server, _):
                wait_for(("127.0.0.1", port))
                return wrk(bench, server, port, 200, 1)

    bench.measure("Python threads, echo, 100 connections", echo, [
        (": CPU a request", "cpu_us", "us", at_most(1, "native")),
        (": requests a second", "per_second", "/s")])
    bench.measure("python3 -m http.server, 200 connections", http_server, [
        (": requests a second", "per_second", "/s", at_least(1, "native")),
        (": CPU a request", "cpu_us", "us")])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(address, limit=30, family=socket.AF_INET):
    end = time.monotonic() + limit
    while True:
        with socket.socket(family) as s:
            try:
                s.connect(address)
                return
            except OSError:
                if time.monotonic() > end:
                    raise Failed("the server did not start") from None
        time.sleep(0.05)


def mariadb(bench):
    """sysbench oltp_read_write: 64 connections, one core for the server, one for sysbench."""
    needed = ("mariadbd", "mariadb-install-db", "sysbench")
    if not all(shutil.which(n, path=os.environ["PATH"] + ":/usr/sbin") for n in needed):
        print(f"MariaDB: skipped, needs {', '.join(needed)}")
        return
    seconds = 3 if bench.args.quick else 4
    with tempfile.TemporaryDirectory() as folder:
        data, sock = os.path.join(folder, "data"), os.path.join(folder, "s")
        user = ["--user=root"] if os.getuid() == 0 else []
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", *user,
                        "--auth-root-authentication-method=normal"], check=True, timeout=120,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server_argv = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", *user,
                       f"--socket={sock}", "--skip-networking", "--max-connections=200",
                       "--innodb-buffer-pool-size=256M", "--innodb-flush-log-at-trx-commit=2",
                       f"--pid-file={folder}/pid"]
        load = ["sysbench", "oltp_read_write", f"--mysql-socket={sock}", "--mysql-user=root",
                "--mysql-db=test", "--tables=4", "--table-size=5000", "--threads=64"]

        def stop(server):
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                raise Failed("the server did not stop") from None

        def sysbench(*what):
            child = bench.spawn("native", [*load, *what], bench.load_core,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                return child.communicate(timeout=120)[0].decode(), child.returncode
            except subprocess.TimeoutExpired:
                child.kill()
                child.communicate()
                raise Failed("sysbench did not end") from None

        def once(variant):
            with serving(bench, variant, server_argv, named=False) as (server, _):
                wait_for(sock, family=socket.AF_UNIX)
                cpu = process_cpu(server.pid)
                out, status = sysbench(f"--time={seconds}", "run")
                cpu = process_cpu(server.pid) - cpu
                stop(server)
            found = re.search(r"transactions:\s+(\d+)\s+\(([\d.]+) per sec", out)
            if status or not found:
                raise Failed(out.strip()[-100:])
            return {"per_second": float(found.group(2)),
                    "cpu_us": cpu * 1e6 / int(found.group(1))}

        with serving(bench, "native", server_argv, named=False) as (server, _):
            wait_for(sock, family=socket.AF_UNIX)
            subprocess.run(["mariadb", "--no-defaults", f"--socket={sock}", "-uroot", "-e",
                            "create database if not exists test"], check=True, timeout=60)
            out, status = sysbench("prepare")
            stop(server)
            if status:
                print(f"MariaDB: skipped, sysbench prepare said {out.strip()[-100:]}")
                return
        bench.measure("MariaDB, sysbench, 64 connections", once, [
            (": transactions a second", "per_second", "/s", at_least(1, "native")),
            (": CPU each", "cpu_us", "us")])
