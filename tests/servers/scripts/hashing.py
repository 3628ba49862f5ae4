# SPDX-License-Identifier: MIT
"""A ThreadPoolExecutor that writes files and hashes them."""

import concurrent.futures
import hashlib
import os
import random
import tempfile


def write(path, seed):
    """Write a random file of up to 2 MB."""
    chance = random.Random(seed)
    with open(path, "wb") as file:
        file.write(chance.randbytes(chance.randint(1, 1 << 21)))
        file.flush()
        os.fsync(file.fileno())
    return path


def digest(path):
    """Hash the file; hashlib gives up the interpreter lock meanwhile."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse(number):
    """Fail, so that the failure crosses to the caller's thread."""
    raise ValueError(f"no {number}")


with tempfile.TemporaryDirectory() as folder, \
        concurrent.futures.ThreadPoolExecutor(8) as pool:
    paths = list(pool.map(
        lambda number: write(f"{folder}/{number}", number), range(24)))
    for line in pool.map(digest, paths):
        print(line)
    futures = [pool.submit(refuse, number) for number in range(5)]
    concurrent.futures.wait(futures)
    print([str(future.exception()) for future in futures])
