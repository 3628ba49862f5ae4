# SPDX-License-Identifier: MIT
"""Tests what shows a program from outside, and what names its deadlocks.

usage: tests/eyes/run.py [PATTERN]
environment: BUILD  the build folder (default build)
"""

import resource
import sys

import harness
import deadlocks            # noqa: F401  (importing a module registers its
import looks                # noqa: F401   cases, in this order)
import debugger             # noqa: F401
import live                 # noqa: F401
import seeds                # noqa: F401
import watchdog             # noqa: F401
import traces               # noqa: F401
import reports              # noqa: F401

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE,
                       (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    harness.run_all(sys.argv[1] if len(sys.argv) > 1 else "*")
