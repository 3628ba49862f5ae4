# SPDX-License-Identifier: MIT
"""Files to serve, a server for them, and many curls that fetch them."""

import contextlib
import functools
import hashlib
import http.server
import os
import random
import subprocess
import threading
import time

from harness import HOST, find
from process import Failure


def digest(data):
    """Return a checksum short enough for a line of results."""
    return hashlib.sha256(data).hexdigest()[:16]


def make_files(folder, sizes, seed=1):
    """Write random files, the same ones for the same seed."""
    chance = random.Random(seed)
    os.makedirs(folder, exist_ok=True)
    names = []
    for number, size in enumerate(sizes):
        names.append(f"f{number:03}.bin")
        with open(os.path.join(folder, names[-1]), "wb") as file:
            file.write(chance.randbytes(size))
    return names


class SlowHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a log, 1 MB in about a second.

    Whatever stands between has then all its connections at the same time;
    a slow client would not do, since the kernel's buffers hold most of 1 MB.
    """

    def copyfile(self, source, outputfile):
        """Send a piece at a time."""
        while piece := source.read(1 << 16):
            outputfile.write(piece)
            time.sleep(0.06)

    def log_message(self, *_):
        """Say nothing."""


class FileServer(http.server.ThreadingHTTPServer):
    """A file server that takes a whole crowd of connections at once."""

    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Stay silent: the client's checksum tells what went wrong."""


@contextlib.contextmanager
def file_server(folder):
    """Serve the folder from a thread of the harness; give the port."""
    handler = functools.partial(SlowHandler, directory=folder)
    with FileServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def curl_all(side, commands, limit=40):
    """Run one curl per command, all at once; return status and checksum.

    The curls run natively on both sides: they are the unchanged observer.
    """
    curl = find("curl")
    running = []
    for number, command in enumerate(commands):
        path = os.path.join(side.folder, f".curl{number:03}")
        running.append((path, subprocess.Popen(
            [curl, "-q", "-sS", "--noproxy", "", "--max-time", str(limit),
             "-o", path] + command,
            env=side.env, stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE)))
    end = time.monotonic() + limit + 5
    answers, errors = [], []
    for path, process in running:
        try:
            _, error = process.communicate(
                timeout=max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            _, error = process.communicate()
        if process.returncode:
            errors.append(error.decode(errors="replace").strip() or
                          f"curl: status {process.returncode}")
        data = b""
        with contextlib.suppress(FileNotFoundError):
            with open(path, "rb") as file:
                data = file.read()
            os.unlink(path)
        answers.append((process.returncode, len(data), digest(data)))
    if errors:
        raise Failure(f"{len(errors)} of {len(running)} curls failed: "
                      f"{errors[0]}", errors[:5])
    return answers
