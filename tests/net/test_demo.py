# SPDX-License-Identifier: BSD-2-Clause
# exclusive: a flood and a client beside it, each as fast as the machine lets them
"""tools/demo: what it shows, and that nothing of it stays."""
import contextlib
import os
import re
import subprocess
import sys
import time

from weirlab import KSERVER, LAB, ROOT, Cases, check, check_equal, need, patience, scaled

DEMO = f"{ROOT}/tools/demo"


def check_nothing_is_left():
    labs = subprocess.run([LAB, "list"], capture_output=True, text=True, check=False,
                          timeout=patience(60)).stdout
    check("demo-" not in labs, "its lab is left")


def shows_all_of_it(_):
    env = dict(os.environ, WEIR_DEMO_SECONDS="4", WEIR_DEMO_RATE=str(scaled(50000)))
    done = subprocess.run([DEMO], env=env, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, timeout=patience(100))
    check(done.returncode == 0, f"{done.returncode} {done.stderr}")
    check(done.stdout.count(" SYN+ACK seq=") >= 2, f"no two handshakes: {done.stdout}")
    check(re.search(r"^TIME_WAIT +http", done.stdout, re.M), f"no TIME_WAIT: {done.stdout}")
    rows = {name: (weir, kernel) for name, weir, kernel in
            re.findall(r"^  (\S.*?)  +(\S+(?: \(.*?\))?)  +(\S+(?: \(.*?\))?)$", done.stdout, re.M)}
    check_equal(rows["half-open memory, bytes"][0], "0", f"{rows}")
    tried, fetched = rows["curls tried, in the flood"], rows["curls done"]
    check(int(fetched[0]) >= scaled(10) and int(fetched[0]) >= 0.9 * int(tried[0]), f"{rows}")
    check(int(rows["SYNs answered"][0].split()[0]) > scaled(50000), f"{rows}")
    check_nothing_is_left()


def interrupted_leaves_nothing(_):
    with subprocess.Popen([DEMO], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as proc:
        for line in proc.stdout:
            if line.startswith("weir: ready"):
                break
        time.sleep(1)
        proc.terminate()
        proc.communicate(timeout=patience(20))
    check_equal(proc.returncode, 143, "status")
    check_nothing_is_left()


need(KSERVER)
cases = Cases()
cases.group(contextlib.nullcontext, [shows_all_of_it, interrupted_leaves_nothing])
sys.exit(cases.status())
