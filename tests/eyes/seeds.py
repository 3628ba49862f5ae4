# SPDX-License-Identifier: MIT
"""--seed: the same number is the same order, and finds what another order hides."""

from harness import case, check, copatch, target

SEEDS = range(1, 41)


def run(how, *options):
    status, out, err = copatch("run", *options, target("lost"), how)
    check(status == 0 and not err, how, options, status, err)
    return out


def missing(out):
    return int(out.split()[0])


def hunt(how):
    """Find a seed that loses an update, and one that does not; try them again."""
    found = {seed: run(how, "--seed", seed) for seed in SEEDS}
    lost = [seed for seed in SEEDS if missing(found[seed])]
    check(lost, "no seed loses anything:", found)
    check(len(set(found.values())) > 3, "all seeds alike:", found)
    for _ in range(20):
        again = run(how, "--seed", lost[0])
        check(again == found[lost[0]], "seed", lost[0], "gave", found[lost[0]],
              "and then", again)
    other = next(s for s in SEEDS if found[s] != found[lost[0]])
    for _ in range(5):
        check(run(how, "--seed", other) == found[other], "seed", other)


@case
def seed_finds_a_lost_update_across_a_lock():
    # First come, first served: it never shows.
    plain = {run("mutex") for _ in range(10)}
    check(plain == {"0 aaaaabbbbbccccc\n"}, plain)
    hunt("mutex")


@case
def seed_finds_a_lost_update_across_a_pipe():
    plain = {run("pipe") for _ in range(10)}
    check(plain == {"0 aaaaabbbbbccccc\n"}, plain)
    hunt("pipe")


@case
def seed_fixes_the_order_of_sleepers():
    hunt("sleep")


@case
def seed_fixes_the_order_of_yields():
    hunt("yield")


@case
def seed_lets_a_spinning_thread_be_stopped():
    check(run("spin", "--seed", 7) == "spun\n", "it spins on")


@case
def seed_is_a_number():
    for bad in ("0", "-1", "x", "1e3", "9999999999", ""):
        status, out, err = copatch("run", "--seed", bad, "true")
        check(status == 125 and not out and err.count("\n") == 1
              and "--seed" in err, bad, status, out, err)
