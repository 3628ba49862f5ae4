# SPDX-License-Identifier: MIT
"""Two proxies with a thread per client, under 50 downloads at once."""

import socket

from clients import curl_all, file_server, make_files
from harness import HOST, case, find

DOWNLOADS = 50
# microsocks tries the first address of a name alone, and the file server has no ::1.
FAMILY = socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)[0][0]
NAME = "localhost" if FAMILY == socket.AF_INET else HOST
TINYPROXY = """\
Port {port}
Listen {host}
Timeout 60
MaxClients 200
Allow {host}
LogFile "{folder}/tinyproxy.log"
LogLevel Warning
"""


def through(side, make_argv, option_sets):
    """Download through the proxy, which resolves names for every other."""
    names = make_files(side.folder + "/files", [1 << 20] * 10)
    with file_server(side.folder + "/files") as back:
        server = side.serve(make_argv)
        commands = []
        for number in range(DOWNLOADS):
            host = NAME if number % 2 else HOST
            options = option_sets[number // 2 % len(option_sets)]
            commands.append(
                [option.format(host=HOST, port=server.port)
                 for option in options] +
                [f"http://{host}:{back}/{names[number % len(names)]}"])
        answers = curl_all(side, commands)
        side.check_threads(server, DOWNLOADS // 2)
        return {"answers": answers, "exit status": server.stop()}


@case("microsocks", needs=["microsocks", "curl"])
def microsocks(side):
    """A SOCKS5 proxy that polls two descriptors in every thread."""
    return through(
        side,
        lambda port: [find("microsocks"), "-i", HOST, "-p", str(port)],
        [["--socks5-hostname", "{host}:{port}"],
         ["--socks5", "{host}:{port}"]])


@case("tinyproxy", needs=["tinyproxy", "curl"])
def tinyproxy(side):
    """An HTTP proxy, as a plain proxy and by CONNECT."""
    def command(port):
        path = side.folder + "/tinyproxy.conf"
        with open(path, "w") as file:
            file.write(TINYPROXY.format(port=port, host=HOST,
                                        folder=side.folder))
        return [find("tinyproxy"), "-d", "-c", path]

    return through(side, command,
                   [["-x", "http://{host}:{port}"],
                    ["-p", "-x", "http://{host}:{port}"]])
