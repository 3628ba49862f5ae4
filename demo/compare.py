#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the download programs with one thread, with many, and with many under copatch.

The images come from a server of its own on 127.0.0.1, which delays each answer by half a second.
Every answer is compared with what was sent. The exit status is 0 only if all were right.
"""

import argparse
import asyncio
import os
import struct
import subprocess
import sys
import threading
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOST = "127.0.0.1"
SIZE = 24  # pixels, both ways
LIMIT = 300  # seconds that one program may take


def image(number):
    """A PNG with a pattern of its own."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    rows = bytearray()
    for y in range(SIZE):
        rows.append(0)
        for x in range(SIZE):
            rows += bytes((x * 9 & 255, y * 9 & 255, number * 37 + x * y & 255))
    head = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) +
            chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b""))


class Server(threading.Thread):
    """Answers GET /N.png after a while; any number at once, on one thread."""

    def __init__(self, delay):
        super().__init__(daemon=True)
        self.delay = delay
        self.port = None
        self.ready = threading.Event()

    async def answer(self, reader, writer):
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            number = int(request.split()[1].strip(b"/").split(b".")[0])
            await asyncio.sleep(self.delay)
            body = image(number)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
        except (ValueError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def serve(self):
        server = await asyncio.start_server(self.answer, HOST, 0, backlog=4096)
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        await server.serve_forever()

    def run(self):
        asyncio.run(self.serve())


def most_threads(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Threads:"))
    except (OSError, StopIteration):
        return 0


def run(argv, expected):
    """Seconds, most kernel threads at once, and whether every answer was right."""
    begun = time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as p:
        out = []
        reader = threading.Thread(target=lambda: out.append(p.stdout.read()))
        reader.start()
        threads = 0
        while p.poll() is None:
            threads = max(threads, most_threads(p.pid))
            if time.monotonic() - begun > LIMIT:
                p.kill()
            time.sleep(0.01)
        seconds = time.monotonic() - begun
        reader.join()
    return seconds, threads, p.returncode == 0 and out[0] == expected


def options():
    def positive(text):
        n = int(text)
        if not 1 <= n <= 5000:
            raise ValueError
        return n

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.error = lambda text: (print(f"compare.py: {text}", file=sys.stderr), sys.exit(125))
    parser.add_argument("-n", type=positive, default=20, help="images, and threads (20)")
    parser.add_argument("--delay", type=float, default=0.5, help="seconds before an answer (0.5)")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), help="the build folder")
    args = parser.parse_args()
    for name in ("copatch", "demo/download"):
        if not os.access(os.path.join(args.build, name), os.X_OK):
            parser.error(f"{os.path.join(args.build, name)} is missing: make demos")
    return args


def main():
    args = options()
    server = Server(args.delay)
    server.start()
    server.ready.wait()
    urls = [f"http://{HOST}:{server.port}/{i}.png" for i in range(args.n)]
    expected = "".join(f"{url} {len(image(i))} {zlib.crc32(image(i)):08x}\n"
                       for i, url in enumerate(urls))
    programs = {
        "libcurl in C": [os.path.join(args.build, "demo/download")],
        "urllib in Python": [sys.executable, os.path.join(ROOT, "demo/download.py")],
    }
    os.environ["no_proxy"] = HOST
    print(f"{args.n} images, each answer after {args.delay} s\n")
    print(f"{'':18}{'':20}{'seconds':>10}{'kernel threads':>16}{'answers':>10}")
    all_right = True
    for name, argv in programs.items():
        for how, before, threads in (("one thread", [], 1), (f"{args.n} threads", [], args.n),
                                     ("the same, copatch",
                                      [os.path.join(args.build, "copatch"), "run"], args.n)):
            seconds, kernel, right = run([*before, *argv, str(threads), *urls], expected)
            all_right = all_right and right
            print(f"{name:18}{how:20}{seconds:10.2f}{kernel:16}{'right' if right else 'WRONG':>10}",
                  flush=True)
            name = ""
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
