#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 100000
"""
The fault that vmtest/run --inject asks for, made where faults of that kind come from, so
that all that stands between it and a red run is proved. In no set.
"""
import os
import sys
import time


def fail():
    print("not ok injected - the failure that was asked for", flush=True)
    return 1


def skip():
    print("skip injected - the skip that was asked for", flush=True)
    return 0


def warn():
    """What WARN() writes, and a test that does not notice."""
    with open("/dev/kmsg", "w", encoding="ascii") as f:
        f.write("<4>WARNING: CPU: 0 PID: 1 at injected by vmtest/run --inject warn")
    print("ok injected", flush=True)
    return 0


def hang():
    while True:
        time.sleep(60)


def panic():
    with open("/proc/sysrq-trigger", "w", encoding="ascii") as f:
        f.write("c")
    return hang()


FAULTS = {f.__name__: f for f in (fail, skip, warn, hang, panic)}


def main():
    fault = FAULTS.get(os.environ.get("WEIR_INJECT"))
    if fault is None or "WEIR_VM" not in os.environ:
        print("only in a guest, when vmtest/run --inject asks for it", file=sys.stderr)
        return 77
    print(f"# injects {fault.__name__}", flush=True)
    return fault()


if __name__ == "__main__":
    sys.exit(main())
