# SPDX-License-Identifier: MIT
"""SQLite from several threads, which wait for each other's file locks."""

import os
import sqlite3
import tempfile
import threading


def add(path, number):
    """Add rows, a transaction each, over a connection of one's own."""
    link = sqlite3.connect(path, timeout=20, isolation_level=None)
    for turn in range(15):
        link.execute("BEGIN IMMEDIATE")
        count, = link.execute("SELECT count(*) FROM notes").fetchone()
        link.execute("INSERT INTO notes VALUES (?, ?, ?)",
                     (count, number, turn))
        link.execute("COMMIT")
    link.close()


for mode in ("DELETE", "WAL"):
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.join(folder, "notes.db")
        first = sqlite3.connect(place)
        first.execute(f"PRAGMA journal_mode={mode}")
        first.execute("CREATE TABLE notes (row UNIQUE, thread, turn)")
        first.commit()
        threads = [threading.Thread(target=add, args=(place, number))
                   for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(mode, first.execute(
            "SELECT count(*), max(row), sum(thread), sum(turn) "
            "FROM notes").fetchall())
        first.close()
