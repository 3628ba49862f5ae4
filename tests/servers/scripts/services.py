# SPDX-License-Identifier: MIT
"""Threaded TCP, unix, UDP and HTTP servers and their clients together."""

import http.server
import os
import socket
import socketserver
import tempfile
import threading
import urllib.error
import urllib.request

HOST = "127.0.0.1"


class Lines(socketserver.StreamRequestHandler):
    """Answer each line with itself reversed."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line[-2::-1] + b"\n")


class Datagram(socketserver.BaseRequestHandler):
    """Answer a datagram with its length."""

    def handle(self):
        data, sock = self.request
        sock.sendto(b"%d" % len(data), self.client_address)


class Pages(http.server.BaseHTTPRequestHandler):
    """Answer with the path, or with an error for some."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        size = int(self.headers["Content-Length"])
        body = self.path.encode() + self.rfile.read(size)
        self.send_response(404 if "7" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


def lines(family, address):
    """Talk to a line server; return how many answers were right."""
    with socket.socket(family) as sock:
        sock.connect(address)
        with sock.makefile("rwb") as file:
            good = 0
            for number in range(20):
                file.write(b"line %d\n" % number)
                file.flush()
                good += file.readline() == b"%s enil\n" % (
                    str(number)[::-1].encode())
    return good


def datagrams(address):
    """Send datagrams; loopback loses none while few are under way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        good = 0
        for size in range(1, 11):
            sock.sendto(bytes(size), address)
            good += int(sock.recv(100)) == size
    return good


def pages(port, number):
    """Post something; return the answer's status and size."""
    request = urllib.request.Request(f"http://{HOST}:{port}/{number}",
                                     data=b"x" * 1000 * number)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, len(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, len(error.read())


def run(server, client, count=25):
    """Run the server in a thread and that many clients in theirs."""
    server.daemon_threads = True
    results = {}

    def work(number):
        results[number] = client(number)

    with server:
        keeper = threading.Thread(target=server.serve_forever, args=(0.02,))
        keeper.start()
        threads = [threading.Thread(target=work, args=(number,))
                   for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.shutdown()
        keeper.join()
    print(type(server).__name__, sorted(results.items()))


# The usual queue of five would drop some of this many clients for a second.
socketserver.TCPServer.request_queue_size = 100
tcp = socketserver.ThreadingTCPServer((HOST, 0), Lines)
run(tcp, lambda number: lines(socket.AF_INET, tcp.server_address))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "socket")
    unix = socketserver.ThreadingUnixStreamServer(path, Lines)
    run(unix, lambda number: lines(socket.AF_UNIX, path))
udp = socketserver.ThreadingUDPServer((HOST, 0), Datagram)
run(udp, lambda number: datagrams(udp.server_address), 10)
web = http.server.ThreadingHTTPServer((HOST, 0), Pages)
run(web, lambda number: pages(web.server_address[1], number))
