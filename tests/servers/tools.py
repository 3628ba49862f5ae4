# SPDX-License-Identifier: MIT
"""Threaded command-line programs: ripgrep, sort, packers, an OpenMP user."""

import os
import random

from clients import digest
from harness import BUILD, case, find

WORDS = ("carrier", "coroutine", "futex", "kernel", "loop", "needle",
         "signal", "thread", "wait", "wake")


def make_tree(folder, folders=40, files=25):
    """Write a tree of small texts in which some lines hold the needle."""
    chance = random.Random(3)
    for place in range(folders):
        path = os.path.join(folder, f"d{place % 7}", f"e{place}")
        os.makedirs(path)
        for number in range(files):
            with open(os.path.join(path, f"{number}.txt"), "w") as file:
                for _ in range(60):
                    file.write(" ".join(chance.choices(WORDS, k=6)) + "\n")


def finished(side, argv, seconds=30):
    """Run the program under copatch on one kernel thread."""
    process, status = side.run(argv, seconds)
    if process.threads.samples:
        side.check_threads(process, 1)
    side.note(f"{process.seconds:.2f} s")
    return process, status


@case("ripgrep", needs=["rg"])
def ripgrep(side):
    """A Rust program, whose std waits by raw futex calls."""
    make_tree(side.folder + "/tree")
    answers = {}
    for number, options in enumerate((["-n", "needle.*wake"],
                                      ["-c", "^futex"],
                                      ["--files"],
                                      ["-l", "absent"])):
        process, status = finished(
            side, [find("rg"), "--no-config", "-j4", *options, "tree"])
        lines = sorted(process.output().splitlines())
        answers[f"search {number}"] = (
            status, len(lines), digest(b"\n".join(lines)))
    return answers


@case("sort", needs=["sort"])
def sort(side):
    """coreutils' sort with four threads."""
    chance = random.Random(5)
    with open(side.folder + "/lines", "w") as file:
        file.writelines(f"{chance.random()} {number}\n"
                        for number in range(300000))
    process, status = finished(
        side, [find("sort"), "--parallel=4", "-S", "64M", "lines"])
    return {"exit status": status, "sorted": digest(process.output())}


def packed(side, name, argv, unpack):
    """Pack with four threads, then unpack and compare with the input."""
    block = random.Random(9).randbytes(1 << 16)
    data = b"".join(block[start:] + bytes(start)
                    for start in range(0, 1 << 16, 1 << 9)) * 2
    with open(side.folder + "/data", "wb") as file:
        file.write(data)
    process, status = finished(side, argv)
    path = side.folder + "/packed"
    with open(path, "wb") as file:
        file.write(process.output())
    again, second = finished(side, unpack + [path])
    return {"exit statuses": (status, second),
            f"{name} output": digest(process.output()),
            "unpacked": again.output() == data}


@case("xz", needs=["xz"])
def xz(side):
    """liblzma's threads, which a mutex and condition variables drive."""
    return packed(side, "xz",
                  [find("xz"), "-c", "-1", "-T4", "--block-size=1MiB",
                   "data"], [find("xz"), "-dc", "-T4"])


@case("zstd", needs=["zstd"])
def zstd(side):
    """zstd's pool of four workers."""
    return packed(side, "zstd",
                  [find("zstd"), "-q", "-c", "-3", "-T4", "-B1MiB", "data"],
                  [find("zstd"), "-q", "-dc"])


@case("pigz", needs=["pigz"])
def pigz(side):
    """pigz's four threads; one more writes."""
    return packed(side, "pigz", [find("pigz"), "-c", "-n", "-p", "4", "data"],
                  [find("pigz"), "-dc"])


@case("graphicsmagick", needs=["gm"])
def graphicsmagick(side):
    """An OpenMP program, whose threads wait asleep and then spinning."""
    chance = random.Random(11)
    with open(side.folder + "/in.ppm", "wb") as file:
        file.write(b"P6 600 400 255\n" + chance.randbytes(600 * 400 * 3))
    answers = {}
    for policy, threads in (("passive", "4"), ("active", "2")):
        side.env.update(OMP_WAIT_POLICY=policy, OMP_NUM_THREADS=threads)
        process, status = side.run(
            [find("gm"), "convert", "in.ppm", "-blur", "0x2", "-rotate", "30",
             "-resize", "50%", "ppm:-"], 60)
        side.note(f"{policy}: {process.seconds:.2f} s")
        if process.threads.samples:
            side.check_threads(process, 1)
        answers[policy] = (status, digest(process.output()))
    return answers


@case("spinning")
def spinning(side):
    """Four threads pass a token by spinning: no whole slice for each turn.

    That would be 40 times 10 ms and more of the processor's time.
    """
    process, status = side.run([BUILD + "/tests/targets/preempt_spin"])
    spent = int(process.tail(1)[0].split()[0])
    side.note(f"{spent} ms of processor time")
    if side.copatch and spent > 250:
        raise process.fail("spinning took whole slices")
    return {"output": process.output(), "exit status": status}


@case("locking")
def locking(side):
    """Four threads have a lock by turns, and are not taken to spin: hardly 100 turns a second."""
    process, status = side.run([BUILD + "/tests/targets/preempt_crowd"])
    changes, spent = (int(process.tail(1)[0].split()[i]) for i in (0, 3))
    side.note(f"{changes} turns in {spent} ms of processor time")
    if side.copatch and changes > spent + 50:
        raise process.fail("the lock changed hands with short slices")
    return {"output": process.output(), "exit status": status}
