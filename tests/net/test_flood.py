# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 90
"""Fetches while a SYN flood is going on: all succeed, and the flood leaves no state."""
import contextlib
import json
import subprocess
import sys
import time

from weirlab import FLOOD, Cases, check, need, patience, scaled, serving, site

RATE, SECONDS = scaled(200000), 6


@contextlib.contextmanager
def fixture():
    with site(small__txt=b"x" * 1000) as root:
        with serving([f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}"], "--msl", "1s",
                     root=root) as env:
            yield env


def flood_and_fetch(env, dst, server):
    before = env.weir.counters()
    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", dst, "--rate",
                       RATE, "--seconds", SECONDS, "--json", stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as flood:
        time.sleep(1)
        fetch = env.lab.netclient("fetch", 80, "--path", "/small.txt", "--seconds", SECONDS - 3,
                                  "--concurrency", 4, "--body", f"{env.root}/small.txt",
                                  server=server)
        check(flood.poll() is None, "the flood ended before the fetches")
        status = env.weir.status()
        out, err = flood.communicate(timeout=patience(SECONDS + 20))
    check(flood.returncode == 0, f"weir-flood: {err[-300:]}")
    sent = json.loads(out)
    after = env.weir.counters()
    check(fetch["failed"] == 0 and fetch["done"] > scaled(50), fetch)
    answered = after["syn_answered"] - before["syn_answered"]
    check(answered > scaled(30000) * SECONDS, f"{answered} SYNs answered; the flood says {sent}")
    check(status["connections"]["SYN_RCVD"] == 0, f"half-open: {status['connections']}")
    opened = after["conn_opened"] - before["conn_opened"]
    check(opened == fetch["opened"], f"{opened} connections for {fetch['opened']} fetches")
    check(status["flows"]["used"] < scaled(20000) + fetch["done"], f"flows: {status['flows']}")


def ipv4(env):
    flood_and_fetch(env, "10.0.0.2:80", "10.0.0.2")


def ipv6(env):
    flood_and_fetch(env, "[fd00::2]:80", "fd00::2")


def quiet_afterwards(env):
    env.weir.wait_quiet()
    check(env.weir.status()["memory"]["per_half_open_bytes"] == 0, "memory per half-open")


need(FLOOD)
cases = Cases()
cases.group(fixture, (ipv4, ipv6, quiet_afterwards))
sys.exit(cases.status())
