# SPDX-License-Identifier: MIT
"""asyncio's epoll loop in several threads, with executors and subprocesses."""

import asyncio
import threading
import time

results = {}


async def serve(reader, writer):
    """Answer every line with itself in capitals."""
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def client(port, number):
    """Say five things and check the answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    good = 0
    for turn in range(5):
        writer.write(b"message %d of %d\n" % (turn, number))
        await asyncio.sleep(0.001)
        good += await reader.readline() == (
            b"MESSAGE %d OF %d\n" % (turn, number))
    writer.close()
    return good


async def main(number):
    """Run a server, its clients and a few blocking calls."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    good = sum(await asyncio.gather(*(client(port, each)
                                      for each in range(20))))
    naps = await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.05)
                                  for _ in range(5)))
    child = await asyncio.create_subprocess_exec(
        "/bin/echo", "child", stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.03)
    except TimeoutError:
        said += b"in time"
    server.close()
    results[number] = good, len(naps), said, child.returncode


threads = [threading.Thread(target=lambda number=number:
                            asyncio.run(main(number)))
           for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in sorted(results):
    print(number, results[number])
