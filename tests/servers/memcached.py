# SPDX-License-Identifier: MIT
"""memcached with four event loops, under 50 clients that check each byte."""

import asyncio
import os
import pwd
import random

from harness import HOST, case, find

CLIENTS = 50
KEYS = 40
CONFIGURED = 4


async def pipeline(writer, reader, requests, receive):
    """Write everything at once while the answers are being read.

    Reading only afterwards would stop both ends as soon as the socket's
    buffers were full.
    """
    async def send():
        for request in requests:
            writer.write(request)
            await writer.drain()

    return (await asyncio.gather(send(), receive(reader)))[1]


async def value(reader, key, expected):
    """Read one value and compare it byte by byte."""
    head = await reader.readline()
    assert head.split()[:2] == [b"VALUE", key], head
    data = await reader.readexactly(int(head.split()[3]) + 2)
    assert data[:-2] == expected, f"wrong value of {key}"
    return len(expected)


async def client(port, number, barrier):
    """Set, get, count and delete; return what the answers have been."""
    chance = random.Random(number)
    wanted = {f"c{number}-k{index}".encode():
              chance.randbytes(int(2 ** chance.uniform(0, 15)))
              for index in range(KEYS)}
    reader, writer = await asyncio.open_connection(HOST, port)
    await barrier.wait()

    async def stored(reader):
        return [await reader.readline() for _ in wanted]

    async def got(reader):
        total = 0
        for key, data in wanted.items():
            total += await value(reader, key, data)
            assert await reader.readline() == b"END\r\n"
        return total

    sets = await pipeline(
        writer, reader,
        [b"set %s %d 0 %d\r\n%s\r\n" % (key, number, len(data), data)
         for key, data in wanted.items()], stored)
    one_by_one = await pipeline(
        writer, reader, [b"get %s\r\n" % key for key in wanted], got)
    writer.write(b"gets " + b" ".join(wanted) + b"\r\n")
    together = 0
    for key, data in wanted.items():
        together += await value(reader, key, data)
    assert await reader.readline() == b"END\r\n"
    writer.write(b"incr total 1\r\n" * 20)
    counts = [int(await reader.readline()) for _ in range(20)]
    assert counts == sorted(set(counts)), counts
    writer.write(b"delete c%d-k0\r\nget c%d-k0\r\nbogus\r\n"
                 % (number, number))
    rest = [await reader.readline() for _ in range(3)]
    writer.close()
    return set(sets), one_by_one, together, rest


async def talk(port):
    """Run all clients at once; return their answers and the statistics."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"set total 0 0 1\r\n0\r\n")
    assert await reader.readline() == b"STORED\r\n"
    barrier = asyncio.Barrier(CLIENTS)
    answers = await asyncio.gather(*(client(port, number, barrier)
                                     for number in range(CLIENTS)))
    writer.write(b"get total\r\nstats\r\n")
    total = [await reader.readline() for _ in range(3)]
    stats = {}
    while (line := await reader.readline()) != b"END\r\n":
        _, key, text = line.decode().split(maxsplit=2)
        stats[key] = text.strip()
    writer.close()
    kept = {key: stats[key] for key in (
        "threads", "curr_items", "cmd_set", "cmd_get", "get_hits",
        "get_misses", "incr_hits", "delete_hits", "evictions")}
    assert kept["threads"] == str(CONFIGURED), kept
    return {"answers": answers, "total": total, "statistics": kept}


def unprivileged():
    """Name the user that memcached, started by root, has to turn into."""
    try:
        return pwd.getpwnam("nobody").pw_name
    except KeyError:
        return "root"


@case("memcached", needs=["memcached"])
def memcached(side):
    """memcached -t 4, all of whose threads run libevent."""
    user = ["-u", unprivileged()] if os.geteuid() == 0 else []
    server = side.serve(lambda port: [
        find("memcached"), "-t", str(CONFIGURED), "-m", "256", "-l", HOST,
        "-p", str(port), "-U", "0"] + user)
    answers = asyncio.run(asyncio.wait_for(talk(server.port), 40))
    side.check_threads(server, 5)
    answers["exit status"] = server.stop()
    return answers
