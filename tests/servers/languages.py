# SPDX-License-Identifier: MIT
"""Small programs of our own in languages with threads of their own making."""

import asyncio
import os
import subprocess

from clients import digest
from harness import HOST, case, find
from process import Failure

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                        "programs")
CLIENTS = 60
LINES = 100


def compile_with(side, *argv):
    """Compile a program natively on both sides."""
    done = subprocess.run(argv, cwd=side.folder, env=side.env, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        text = done.stdout.decode(errors="replace").splitlines()
        raise Failure(f"{argv[0]} failed", text[-10:])


@case("java", needs=["java", "javac"], long=True)
def java(side):
    """200 platform threads of Java, beside those of its machine."""
    compile_with(side, find("javac"), "-d", ".",
                 os.path.join(PROGRAMS, "Crowd.java"))
    process, status = side.run(
        [find("java"), "-Xmx256m", "-Xss256k", "-cp", ".", "Crowd"], 100)
    side.check_threads(process, 200)
    side.note(f"{process.seconds:.2f} s")
    return {"output": process.output(), "exit status": status}


async def lines(port, number, barrier):
    """Send lines, some at once and some one by one; return the answers."""
    reader, writer = await asyncio.open_connection(HOST, port)
    await barrier.wait()
    seen = []
    for turn in range(LINES):
        writer.write(b"len " + b"x" * (number * turn % 999) + b"\n")
        seen.append(await reader.readline())
    writer.write(b"".join(b"add w%d-%d\n" % (number, turn % 7)
                          for turn in range(LINES)) + b"add all\n" * LINES)
    seen += [await reader.readline() for _ in range(LINES)]
    counts = [int((await reader.readline()).split()[1])
              for _ in range(LINES)]
    assert counts == sorted(set(counts)), counts
    writer.write(b"nonsense\nquit\n")
    seen.append(await reader.read())
    writer.close()
    return digest(b"".join(seen))


async def lines_all(port):
    """Run all clients at once, then stop the server."""
    barrier = asyncio.Barrier(CLIENTS)
    answers = await asyncio.gather(*(lines(port, number, barrier)
                                     for number in range(CLIENTS)))
    _, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"stop\n")
    await writer.drain()
    writer.close()
    return answers


@case("rust", needs=["rustc"], long=True)
def rust(side):
    """A server of std::thread, std::net, channels and condition variables."""
    compile_with(side, find("rustc"), "--edition", "2021", "-o", "lines",
                 os.path.join(PROGRAMS, "lines.rs"))
    server = side.serve(lambda port: [side.folder + "/lines", str(port)])
    answers = asyncio.run(asyncio.wait_for(lines_all(server.port), 40))
    status = server.wait()
    side.check_threads(server, 30)
    return {"answers": answers, "output": server.output(),
            "exit status": status}
