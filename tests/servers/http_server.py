# SPDX-License-Identifier: MIT
"""Python's threaded HTTP server with 200 clients, some of them very slow."""

import asyncio
import os
import random
import time

from clients import digest, make_files
from harness import HOST, PYTHON, case

CLIENTS = 200
SLOW = 40


class Door:
    """Let clients in one by one, as fast as the server accepts them.

    Its queue holds five connections only. When it overflows, the kernel
    turns to SYN cookies, and these may lose a slow client's first bytes.
    """

    def __init__(self, server):
        self.path = f"/proc/{server.pid}/fd"
        self.before = len(os.listdir(self.path))
        self.entered = 0
        self.lock = asyncio.Lock()

    async def enter(self):
        """Connect once at most two others wait to be accepted."""
        async with self.lock:
            end = time.monotonic() + 2
            while (self.entered - 2 > len(os.listdir(self.path)) - self.before
                   and time.monotonic() < end):
                await asyncio.sleep(0.001)
            self.entered += 1


async def fetch(server, method, path, slow, door, barrier):
    """Ask for one path once everybody is connected; return the answer."""
    await door.enter()
    reader, writer = await asyncio.open_connection(HOST, server.port)
    try:
        await barrier.wait()
        request = f"{method} /{path} HTTP/1.0\r\n\r\n".encode()
        if slow:
            for byte in request:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.03)
        else:
            writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    kept = sorted(line for line in lines[1:]
                  if line.startswith(("Content-", "Location")))
    return method, path, lines[0], kept, len(body), digest(body)


async def fetch_all(server, names):
    """Let all clients ask at once, each for the file of its number."""
    barrier, door = asyncio.Barrier(CLIENTS), Door(server)
    jobs = []
    for number in range(CLIENTS):
        method = "HEAD" if number % 20 == 7 else "GET"
        path = names[number % len(names)]
        if number % 20 == 9:
            path = "missing"
        jobs.append(fetch(server, method, path, number % 5 == 0,
                          door, barrier))
    assert sum(number % 5 == 0 for number in range(CLIENTS)) == SLOW
    return await asyncio.wait_for(asyncio.gather(*jobs), 40)


@case("http_server", needs=[PYTHON])
def http_server(side):
    """Answers, threads and exit status of python3 -m http.server."""
    chance = random.Random(7)
    sizes = [1024, 1 << 20] + [chance.randint(1024, 1 << 18)
                               for _ in range(21)]
    names = make_files(side.folder + "/files", sizes)
    server = side.serve(lambda port: [
        PYTHON, "-m", "http.server", "--bind", HOST,
        "--directory", side.folder + "/files", str(port)])
    answers = asyncio.run(fetch_all(server, names))
    again = asyncio.run(fetch_all(server, names))
    side.check_threads(server, CLIENTS // 2)
    return {"answers": answers, "second answers": again,
            "exit status": server.stop()}
