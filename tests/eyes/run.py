# SPDX-License-Identifier: MIT
"""Tests what shows a program from outside, and what names its deadlocks.

usage: tests/eyes/run.py [PATTERN]
environment: BUILD  the build folder (default build)
"""

import importlib
import resource
import sys

import harness

# Each registers its cases, in this order.
for module in ("deadlocks", "looks", "debugger", "live", "seeds", "watchdog",
               "traces", "reports"):
    importlib.import_module(module)

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE,
                       (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    harness.run_all(sys.argv[1] if len(sys.argv) > 1 else "*")
