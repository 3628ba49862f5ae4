# SPDX-License-Identifier: MIT
"""apache2 with mpm_worker: two processes, thirty threads in each."""

import hashlib
import http.client
import os
import pwd
import signal
import socket
import threading
import time

from clients import digest, make_files
from harness import HOST, case, find
from process import Failure
from threads import Threads

CLIENTS = 55
ROUNDS = 6
MODULES = "/usr/lib/apache2/modules"
CONFIGURATION = """\
ServerRoot {folder}
ServerName localhost
Listen {host}:{port}
PidFile {folder}/pid
ErrorLog {folder}/errors
DocumentRoot {folder}/files
LoadModule mpm_worker_module {modules}/mod_mpm_worker.so
LoadModule authz_core_module {modules}/mod_authz_core.so
{user}
StartServers 2
ServerLimit 2
ThreadsPerChild 30
MaxRequestWorkers 60
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 20
GracefulShutdownTimeout 20
"""


def unprivileged():
    """Apache serves nothing as root: say who its children become."""
    if os.geteuid():
        return ""
    try:
        group = pwd.getpwnam("nobody").pw_gid
    except KeyError:
        return "User #65534\nGroup #65534"
    return f"User nobody\nGroup #{group}"


def serve(side):
    """Start it with a configuration of our own."""
    def argv(port):
        path = f"{side.folder}/conf"
        with open(path, "w") as file:
            file.write(CONFIGURATION.format(
                folder=side.folder, host=HOST, port=port, modules=MODULES,
                user=unprivileged()))
        return [find("apache2"), "-DFOREGROUND", "-f", path]
    return side.serve(argv)


def children(process):
    """Return the numbers of the program's children."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        return [int(word) for word in file.read().split()]


def count_children(side, process):
    """Count the threads of each process that serves."""
    counts = [Threads(pid, side.copatch) for pid in children(process)]
    time.sleep(0.1)
    for count in counts:
        count.stop()
        side.note("a child: " + count.text())
        why = count.fault(30)
        if why:
            raise process.fail(why)
    return len(counts)


class Client(threading.Thread):
    """Fetch every file over one connection that is kept alive."""

    def __init__(self, port, number, names, ready):
        super().__init__(daemon=True)
        self.port, self.names, self.ready = port, names, ready
        self.start_at = number
        self.seen, self.error = {}, None

    def run(self):
        """Fetch, and remember each file's checksum."""
        try:
            connection = http.client.HTTPConnection(HOST, self.port,
                                                    timeout=40)
            self.ready.wait(30)
            for turn in range(ROUNDS * len(self.names)):
                name = self.names[(self.start_at + turn) % len(self.names)]
                connection.request("GET", "/" + name)
                answer = connection.getresponse()
                sum_ = (answer.status, digest(answer.read()))
                if self.seen.setdefault(name, sum_) != sum_:
                    raise Failure(f"{name} has changed")
            connection.close()
        except Exception as error:      # pylint: disable=broad-except
            self.error = error
            self.ready.abort()


def fetch_all(port, names):
    """Let all clients fetch at once; return what they have in common."""
    ready = threading.Barrier(CLIENTS)
    clients = [Client(port, number, names, ready)
               for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
        if client.error or client.is_alive():
            raise Failure(f"a client failed: {client.error!r}")
    return sorted(set(tuple(sorted(client.seen.items()))
                      for client in clients))


def slow_download(port, name, begun, result):
    """Fetch a large file slowly: the server's end waits for it."""
    sum_ = hashlib.sha256()
    with socket.create_connection((HOST, port), 20) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        sock.sendall(b"GET /%s HTTP/1.0\r\n\r\n" % name.encode())
        body = None
        while data := sock.recv(1 << 16):
            begun.set()
            if body is None:
                body = 0
                data = data.partition(b"\r\n\r\n")[2]
            body += len(data)
            sum_.update(data)
            time.sleep(0.002)
    result.append((body, sum_.hexdigest()[:16]))


def accepts(port):
    """Say whether there is still somebody at the port."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


@case("apache", needs=["apache2"])
def apache(side):
    """Keep 55 clients busy, then stop gracefully in a download."""
    os.umask(0o022)
    names = make_files(side.folder + "/files",
                       [0, 1, 1000, 5000, 40000, 200000, 1 << 20])
    large = make_files(side.folder + "/files/large", [16 << 20])[0]
    server = serve(side)
    answers = {"files": fetch_all(server.port, names),
               "processes": count_children(side, server)}
    begun, result = threading.Event(), []
    client = threading.Thread(target=slow_download, args=(
        server.port, "large/" + large, begun, result), daemon=True)
    client.start()
    begun.wait(20)
    server.signal(signal.SIGWINCH)      # the name of its graceful stop
    end = time.monotonic() + 10
    while accepts(server.port) and time.monotonic() < end:
        time.sleep(0.01)
    answers["closed while serving"] = (not accepts(server.port),
                                       client.is_alive())
    client.join(40)
    answers["download"] = result
    answers["exit status"] = server.wait()
    return answers
