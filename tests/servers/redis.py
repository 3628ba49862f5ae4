# SPDX-License-Identifier: MIT
"""redis-server with four I/O threads and a log that is synced at each write.

Its I/O threads spin for one another, which the scheduler has to notice.
"""

import asyncio
import os
import random
import signal

from clients import digest
from harness import HOST, case, find

CLIENTS = 50
KEYS = 40


def command(*words):
    """Encode a command."""
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def answer(reader):
    """Read one answer; errors are answers too."""
    line = (await reader.readuntil(b"\r\n"))[:-2]
    if line[:1] == b"$":
        if line == b"$-1":
            return None
        return (await reader.readexactly(int(line[1:]) + 2))[:-2]
    if line[:1] == b"*":
        return [await answer(reader) for _ in range(int(line[1:]))]
    return line


async def ask(reader, writer, *words):
    """Send one command and return its answer."""
    writer.write(command(*words))
    return await answer(reader)


async def talk(port, number, barrier):
    """Write, read, count and append, some of it without waiting."""
    chance = random.Random(number)
    reader, writer = await asyncio.open_connection(HOST, port)
    await barrier.wait()
    wanted = {f"c{number}-k{index}".encode():
              chance.randbytes(int(2 ** chance.uniform(0, 14)))
              for index in range(KEYS)}
    seen = []
    for key, data in wanted.items():
        seen.append(await ask(reader, writer, b"SET", key, data))
    for key, data in wanted.items():
        assert await ask(reader, writer, b"GET", key) == data, key
    writer.write(b"".join(command(b"GET", key) for key in wanted))
    for key, data in wanted.items():
        assert await answer(reader) == data, key
    counts = []
    for _ in range(20):
        counts.append(await ask(reader, writer, b"INCR", b"total"))
        await ask(reader, writer, b"RPUSH", b"list", b"%d" % number)
    numbers = [int(count[1:]) for count in counts]
    assert numbers == sorted(set(numbers)), numbers
    seen.append(await ask(reader, writer, b"NONSENSE"))
    writer.close()
    return digest(repr(seen).encode())


async def talk_all(port):
    """Run all clients at once; return what they saw and what is left."""
    barrier = asyncio.Barrier(CLIENTS)
    answers = await asyncio.gather(*(talk(port, number, barrier)
                                     for number in range(CLIENTS)))
    reader, writer = await asyncio.open_connection(HOST, port)
    total = await ask(reader, writer, b"GET", b"total")
    elements = await ask(reader, writer, b"LRANGE", b"list", b"0", b"-1")
    size = await ask(reader, writer, b"DBSIZE")
    writer.close()
    return {"answers": answers, "total": total, "keys": size,
            "list": digest(repr(sorted(elements)).encode())}


async def write_until_killed(server, most):
    """Let all clients write; kill it; return what was acknowledged."""
    done = [0] * CLIENTS

    async def one(number):
        reader, writer = await asyncio.open_connection(HOST, server.port)
        try:
            while True:
                text = b"%d" % (done[number] + 1)
                if await ask(reader, writer, b"SET", b"last%d" % number,
                             text) != b"+OK":
                    return
                done[number] += 1
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def kill():
        while sum(done) < most:
            await asyncio.sleep(0.002)
        server.signal(signal.SIGKILL)

    await asyncio.gather(kill(), *(one(number)
                                   for number in range(CLIENTS)))
    return done


async def lost(port, done):
    """Return the clients that wrote more than is still there."""
    reader, writer = await asyncio.open_connection(HOST, port)
    missing = []
    while (await ask(reader, writer, b"DBSIZE")).startswith(b"-LOADING"):
        await asyncio.sleep(0.02)
    for number, last in enumerate(done):
        kept = int(await ask(reader, writer, b"GET", b"last%d" % number)
                   or 0)
        # The last write may be there without its answer.
        if kept not in (last, last + 1):
            missing.append((number, last, kept))
    writer.close()
    return missing


@case("redis", needs=["redis-check-rdb"], long=True)
def redis(side):
    """Checked commands of 50 clients, then kill -9 and what is left."""
    # One program under several names, of which Debian's redis-server package,
    # which would start a server of its own, brings only that of the server.
    program = side.folder + "/redis-server"
    os.symlink(find("redis-check-rdb"), program)

    def serve():
        return side.serve(lambda port: [
            program, "--bind", HOST, "--port", str(port),
            "--dir", side.folder, "--save", "", "--appendonly", "yes",
            "--appendfsync", "always", "--io-threads", "4",
            "--io-threads-do-reads", "yes"])

    def run(coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, 40))

    server = serve()
    answers = run(talk_all(server.port))
    done = run(write_until_killed(server, 2000))
    side.note(f"{sum(done)} writes before kill -9")
    server.wait()
    side.check_threads(server, 7)
    server = serve()
    answers["lost"] = run(lost(server.port, done))
    answers["exit status"] = server.stop()
    return answers
