#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""An echo server with a thread for each connection, in plain Python. Prints "port N"."""

import socket
import threading


def serve(connection):
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("port", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
