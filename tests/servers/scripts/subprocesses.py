# SPDX-License-Identifier: MIT
"""subprocess in 20 threads at once: output, input, failures, time limits."""

import subprocess
import threading

results = {}


def work(number):
    """Run a few children and keep what they say."""
    mine = [subprocess.run(["/bin/echo", str(number)], check=True,
                           capture_output=True).stdout]
    mine.append(subprocess.run(["/bin/cat"], input=b"%d" % number * 9000,
                               capture_output=True).stdout
                == b"%d" % number * 9000)
    mine.append(subprocess.run(f"exit {number}", shell=True).returncode)
    try:
        subprocess.run(["/nonexistent/program"])
    except FileNotFoundError as error:
        mine.append(error.errno)
    results[number] = mine


threads = [threading.Thread(target=work, args=(number,))
           for number in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for number in sorted(results):
    print(number, results[number])
try:
    subprocess.run(["/bin/sleep", "20"], timeout=0.2)
except subprocess.TimeoutExpired:
    print("the child was stopped in time")
