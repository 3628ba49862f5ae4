# SPDX-License-Identifier: MIT
"""stunnel, a thread per TLS connection, in front of a file server."""

import subprocess

from clients import curl_all, file_server, make_files
from harness import HOST, case, find

DOWNLOADS = 50
CONFIG = """\
foreground = yes
pid =
syslog = no
debug = notice
[files]
accept = {host}:{port}
connect = {host}:{back}
cert = {folder}/cert.pem
key = {folder}/key.pem
TIMEOUTclose = 5
"""


def certificate(folder):
    """Make a key and a certificate signed with it."""
    subprocess.run(
        [find("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem",
         "-days", "2", "-subj", "/CN=localhost"],
        check=True, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=30)


@case("stunnel", needs=["stunnel4", "openssl", "curl"])
def stunnel(side):
    """50 downloads of 1 MB at once."""
    certificate(side.folder)
    names = make_files(side.folder + "/files", [1 << 20] * 10)
    with file_server(side.folder + "/files") as back:
        def command(port):
            path = side.folder + "/stunnel.conf"
            with open(path, "w") as file:
                file.write(CONFIG.format(host=HOST, port=port, back=back,
                                         folder=side.folder))
            return [find("stunnel4"), path]

        server = side.serve(command)
        answers = curl_all(side, [
            ["-k", "https://{}:{}/{}".format(
                HOST, server.port, names[number % len(names)])]
            for number in range(DOWNLOADS)])
        side.check_threads(server, DOWNLOADS // 2)
        return {"answers": answers, "exit status": server.stop()}
