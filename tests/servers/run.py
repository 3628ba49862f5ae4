# SPDX-License-Identifier: MIT
"""Run real threaded programs natively and under copatch, and compare."""

import argparse
import fnmatch
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback

import harness
from harness import Side, Skip, comment
from process import Failure

# Each registers its cases, in this order.
for module in ("http_server", "py_threads", "stunnel", "proxies", "memcached",
               "tools", "echo", "database", "apache", "redis", "languages"):
    importlib.import_module(module)


def short(value, width=160):
    """Return the value's text, cut so that a line of results stays one."""
    text = repr(value)
    return text if len(text) <= width else text[:width] + "..."


def play(scenario, name, copatch):
    """Run the scenario on one side; return its answers and last lines."""
    with tempfile.TemporaryDirectory(prefix="copatch-servers-") as folder:
        os.chmod(folder, 0o755)     # memcached gives up root
        side = Side(name, folder, copatch)
        try:
            return scenario(side), side.tail()
        except Failure as failure:
            failure.args = (f"{name}: {failure}",)
            raise
        except Skip:
            raise
        except Exception as error:
            # A client has failed: the server's last words are the clue.
            tail = traceback.format_exc().splitlines()[-6:]
            for process in side.processes:
                if process.reaped:
                    continue
                tail.append(f"{process.name} still runs{process.place()}"
                            if process.alive() else
                            f"{process.name} ended, status {process.wait()}")
            tail += side.tail()
            kind = type(error).__name__
            raise Failure(f"{name}: {kind} {short(error)}", tail) from error
        finally:
            side.close()
            for note in side.notes:
                comment(note)


def compare(native, other, name, tail):
    """Fail unless both sides have given the same answers."""
    for key in native.keys() | other.keys():
        if native.get(key) != other.get(key):
            raise Failure(f"{name}: {key} is {short(other.get(key))}, "
                          f"natively {short(native.get(key))}", tail)


def check(name, needs, scenario, native_only):
    """Run one case on both sides and print its result."""
    begun = time.monotonic()
    try:
        for program in needs:
            harness.find(program)
        native, _ = play(scenario, "native", False)
        again = "native again" if native_only else "copatch"
        other, tail = play(scenario, again, not native_only)
        compare(native, other, again, tail)
    except Skip as skip:
        print(f"ok - servers/{name} # SKIP {skip}", flush=True)
        return True
    except Failure as failure:
        for line in failure.tail[-40:]:
            comment("  " + line)
        print(f"not ok - servers/{name} # {failure}", flush=True)
        return False
    print(f"ok - servers/{name}", flush=True)
    comment(f"{time.monotonic() - begun:.1f} s")
    return True


def main():
    """Read the options and run the chosen cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help="a case, or a pattern such as 'py_*'")
    parser.add_argument("--loop", type=int, default=1, metavar="N",
                        help="run everything N times")
    parser.add_argument("--native-only", action="store_true",
                        help="compare native with native: tests the tests")
    parser.add_argument("--long", action="store_true",
                        help="the long cases instead of the short ones")
    parser.add_argument("--list", action="store_true",
                        help="print the names of the cases")
    options = parser.parse_args()
    cases = harness.LONG_CASES if options.long else harness.CASES
    chosen = [one for one in cases if not options.names or any(
        fnmatch.fnmatch(one[0], name) for name in options.names)]
    if not chosen:
        parser.error("no such case")
    if options.list:
        print("\n".join(one[0] for one in chosen))
        return 0
    if not options.native_only and not os.path.exists(harness.LIBRARY):
        print(f"Bail out! {harness.LIBRARY} is missing: run make first")
        return 1
    harness.usual_limits()
    failed = 0
    for turn in range(options.loop):
        if options.loop > 1:
            comment(f"turn {turn + 1} of {options.loop}")
        for one in chosen:
            failed += not check(*one, options.native_only)
    comment(f"{len(chosen) * options.loop} run, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    # A runner's SIGTERM unwinds the stack, so that every server is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
