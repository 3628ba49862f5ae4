# SPDX-License-Identifier: MIT
"""Wait for a signal, with threads about that wait in their own ways."""

import signal
import threading
import time

# A shell starts background jobs with SIGINT ignored; Python keeps that.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _ in range(10):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
try:
    threading.Event().wait(15)
finally:
    print("on the way out")
