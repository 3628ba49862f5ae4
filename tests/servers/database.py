# SPDX-License-Identifier: MIT
"""MariaDB, a thread per connection: transfers between accounts, and kill -9.

Each client writes down which of its transactions were acknowledged.
"""

import functools
import os
import pwd
import random
import signal
import threading
import time

from clients import digest
from harness import HOST, Skip, case, find
from process import Failure

try:
    import pymysql
except ImportError:
    pymysql = None

CLIENTS = 50
ACCOUNTS = 200
BEGIN = 100
TRANSFERS = 20      # of each client, before the kill
KILL_AFTER = 300    # acknowledged transactions in all
DEADLOCK, LOCK_WAIT = 1213, 1205
CONFIGURATION = """\
[mysqld]
datadir={folder}/data
socket={folder}/socket
pid-file={folder}/pid
tmpdir={folder}
bind-address={host}
skip-name-resolve
user={user}
innodb-buffer-pool-size=32M
innodb-log-file-size=8M
innodb-flush-log-at-trx-commit=1
innodb-lock-wait-timeout=20
max-connections=100
{more}
"""


def owner():
    """Name the user that the tests run as; the server insists on it."""
    return pwd.getpwuid(os.geteuid()).pw_name


def connect(port):
    """Log in; who installs as root without a password is let in so."""
    return pymysql.connect(host=HOST, port=port, user="root",
                           database="mysql", connect_timeout=20,
                           read_timeout=30, write_timeout=30)


def transfer(connection, client, number, chance):
    """Move some money in one transaction, which a deadlock may repeat."""
    low, high = sorted(chance.sample(range(ACCOUNTS), 2))
    amount = chance.randint(-9, 9)
    while True:
        try:
            with connection.cursor() as cursor:
                connection.begin()
                # In no order: some of them are to meet in a deadlock.
                for account, sign in ((low, 1), (high, -1))[::
                                      1 if number % 2 else -1]:
                    cursor.execute(
                        "UPDATE bank.account SET balance = balance + %s"
                        " WHERE id = %s", (sign * amount, account))
                cursor.execute("INSERT INTO bank.ledger VALUES"
                               " (%s, %s, %s, %s, %s)",
                               (client, number, low, high, amount))
                connection.commit()
            return
        except pymysql.err.OperationalError as error:
            if error.args[0] not in (DEADLOCK, LOCK_WAIT):
                raise
            connection.rollback()


class Load(threading.Thread):
    """One client; `done` are the numbers that were acknowledged."""

    def __init__(self, port, client, first, count, ready):
        super().__init__(daemon=True)
        self.port, self.client, self.ready = port, client, ready
        self.numbers = range(first, first + count)
        self.done, self.error = [], None

    def run(self):
        """Connect, wait for the others, then transfer."""
        try:
            connection = connect(self.port)
            self.ready.wait(30)
            chance = random.Random(f"{self.client} {self.numbers.start}")
            for number in self.numbers:
                transfer(connection, self.client, number, chance)
                self.done.append(number)
            connection.close()
        except Exception as error:      # pylint: disable=broad-except
            self.error = error
            self.ready.abort()


def start_load(port, first, count):
    """Start all the clients at the same time."""
    ready = threading.Barrier(CLIENTS)
    clients = [Load(port, number, first, count, ready)
               for number in range(CLIENTS)]
    for client in clients:
        client.start()
    return clients


def create(port):
    """Make the tables."""
    with connect(port) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE bank")
        cursor.execute("CREATE TABLE bank.account (id INT PRIMARY KEY,"
                       " balance INT NOT NULL) ENGINE=InnoDB")
        cursor.execute("CREATE TABLE bank.ledger (client INT, number INT,"
                       " low INT, high INT, amount INT,"
                       " PRIMARY KEY (client, number)) ENGINE=InnoDB")
        cursor.executemany("INSERT INTO bank.account VALUES (%s, %s)",
                           [(number, BEGIN) for number in range(ACCOUNTS)])
        connection.commit()


def totals(port):
    """Return both tables, after a look whether they tell the same."""
    with connect(port) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, balance FROM bank.account ORDER BY id")
        accounts = list(cursor.fetchall())
        cursor.execute("SELECT * FROM bank.ledger ORDER BY client, number")
        ledger = list(cursor.fetchall())
    computed = {number: BEGIN for number in range(ACCOUNTS)}
    for _, _, low, high, amount in ledger:
        computed[low] += amount
        computed[high] -= amount
    if sorted(computed.items()) != accounts:
        raise Failure("the balances are not what the ledger says")
    return accounts, ledger


def serve(side):
    """Start the server on what is in its folder."""
    return side.serve(lambda port: [
        find("mariadbd"), f"--defaults-file={side.folder}/my.cnf",
        f"--port={port}"], 120)


def crash(side, server):
    """Kill the server under load; return what was acknowledged."""
    clients = start_load(server.port, 1000, 10000)
    end = time.monotonic() + 60
    while sum(len(client.done) for client in clients) < KILL_AFTER:
        if time.monotonic() > end or not server.alive():
            raise server.fail("fewer transactions than expected")
        time.sleep(0.001)
    server.signal(signal.SIGKILL)
    status = server.wait()
    for client in clients:
        client.join(30)
    done = {(client.client, number)
            for client in clients for number in client.done}
    side.note(f"{len(done)} transactions before kill -9")
    return status, done


def bank(native_aio, side):
    """Transfers by 50 clients; then the same, a kill and a recovery."""
    if pymysql is None:
        raise Skip("python3-pymysql is not installed")
    with open(side.folder + "/my.cnf", "w") as file:
        file.write(CONFIGURATION.format(folder=side.folder, host=HOST,
                                        user=owner(), more=native_aio))
    _, installed = side.run(
        [find("mariadb-install-db"),
         f"--defaults-file={side.folder}/my.cnf", "--skip-test-db",
         "--auth-root-authentication-method=normal"], 60)
    server = serve(side)
    create(server.port)
    begun = time.monotonic()
    clients = start_load(server.port, 0, TRANSFERS)
    for client in clients:
        client.join(60)
        if client.error or client.is_alive():
            raise server.fail(f"a client failed: {client.error!r}")
    side.note(f"{CLIENTS * TRANSFERS} transactions in "
              f"{time.monotonic() - begun:.2f} s")
    accounts, ledger = totals(server.port)
    answers = {"installed": installed, "transactions": len(ledger),
               "total": sum(balance for _, balance in accounts),
               "balances": digest(repr(accounts).encode())}
    answers["killed"], done = crash(side, server)
    side.check_threads(server, CLIENTS)
    server = serve(side)
    accounts, ledger = totals(server.port)
    kept = {row[:2] for row in ledger if row[1] >= 1000}
    # One transaction of each client may be in the log without its answer.
    answers["lost"] = sorted(done - kept)
    answers["never asked for"] = len(kept - done) > CLIENTS
    answers["total after"] = sum(balance for _, balance in accounts)
    answers["exit status"] = server.stop(30)
    return answers


# Debian's build has io_uring and libaio; without both, threads of its own read and write.
for NAME, OPTION in (("", "loose-innodb-linux-aio=io_uring"),
                     ("_libaio", "loose-innodb-linux-aio=aio"),
                     ("_simulated", "skip-innodb-use-native-aio")):
    case("mariadb" + NAME, ["mariadbd", "mariadb-install-db"], long=bool(NAME))(
        functools.partial(bank, OPTION))
