#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fetches URLs with urllib, a few threads at a time; prints length and CRC-32 of each answer.

An ordinary program: it knows nothing of copatch, and imports no gevent.

usage: download.py THREADS URL...
"""

import queue
import sys
import threading
import urllib.request
import zlib

THREADS_MAX = 10000


def main():
    words = sys.argv[1:]
    if len(words) < 2 or not words[0].isdecimal() or not 1 <= int(words[0]) <= THREADS_MAX:
        print(f"download.py: usage: download.py THREADS URL..., from 1 to {THREADS_MAX} threads",
              file=sys.stderr)
        return 125
    urls = words[1:]
    answers = {}
    waiting = queue.SimpleQueue()
    for url in urls:
        waiting.put(url)

    def work():
        while True:
            try:
                url = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                with urllib.request.urlopen(url) as answer:
                    answers[url] = answer.read()
            except (OSError, ValueError) as error:
                answers[url] = error

    threads = [threading.Thread(target=work) for _ in range(int(words[0]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    status = 0
    for url in urls:
        if isinstance(answers[url], bytes):
            print(f"{url} {len(answers[url])} {zlib.crc32(answers[url]):08x}")
        else:
            print(f"download.py: {url}: {answers[url]}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
