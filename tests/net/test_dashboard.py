# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 90
"""
The dashboard over a real flood: each metric that it reads is there, and its panels, drawn
from scrapes of a server with clients and a flood, have something to show. The pictures are
left in BUILD/screenshots/dashboard.
"""
import contextlib
import os
import subprocess
import sys
import time

from weirlab import (BUILD, FLOOD, NETCLIENT, ROOT, Cases, check, check_equal, need, patience,
                     scaled, serving, site)
import promtext

TOOL = f"{ROOT}/tools/dashboard"
OUT = f"{BUILD}/screenshots/dashboard"
PORT = 9190
QUIET, FLOODED = 3, 6
# What a few seconds without losses and with one server have nothing of.
MAY_BE_EMPTY = {"handshake-times-by-a-worker"}


@contextlib.contextmanager
def fixture():
    with site(file__bin=100000) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo",
                      "10.0.0.2:81=proxy:127.0.0.1:9"], "--msl", "1s", "--metrics",
                     f"127.0.0.1:{PORT}", "--event-syn-rate", 1000, "--event-after", "1s",
                     queues=2, root=root) as env:
            yield env


def scrape(env, *args):
    return env.lab.run("server", "curl", "-sS", "--max-time", patience(5), *args,
                       f"http://127.0.0.1:{PORT}/metrics").stdout


def every_metric_is_there(env):
    names = subprocess.run([TOOL, "names"], capture_output=True, text=True, check=True)
    there = {name for name, _ in promtext.samples(promtext.parse(scrape(env)))}
    missing = set(names.stdout.split()) - there
    check_equal(missing, set(), "metrics of the dashboard that are not served")
    promtext.parse(scrape(env, "-H", "Accept: application/openmetrics-text"), True)


def scrapes(env, where, seconds):
    until = time.monotonic() + patience(seconds)
    while time.monotonic() < until:
        text = scrape(env)
        with open(f"{where}/{time.time():.3f}.prom", "w", encoding="utf-8") as f:
            f.write(text)
        time.sleep(0.15)


def panels_of_a_flood(env):
    where = f"{OUT}/scrapes"
    os.makedirs(where, exist_ok=True)
    for old in os.listdir(where):
        os.unlink(f"{where}/{old}")
    with env.lab.spawn("client", NETCLIENT, "fetch", "10.0.0.2", 80, "--path", "/file.bin",
                       "--seconds", round(patience(2 * QUIET + FLOODED)), "--concurrency", 4,
                       "--time", round(patience(60)), "--body", f"{env.root}/file.bin",
                       stdout=subprocess.DEVNULL):
        scrapes(env, where, QUIET)
        with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                           "--kind", "syn=80,ack=15,rst=5", "--rate", scaled(60000), "--seconds",
                           round(patience(FLOODED)), stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL):
            scrapes(env, where, FLOODED)
        scrapes(env, where, QUIET)
    done = subprocess.run([TOOL, "render", "--scrapes", where, "--out", OUT, "--range",
                           f"{round(patience(1))}s"], capture_output=True, text=True, check=False)
    check_equal(done.returncode, 0, done.stderr[-500:])
    empty = [line.split(": ", 1)[1] for line in done.stderr.splitlines() if line.startswith("empty")]
    check({os.path.basename(p)[3:-4] for p in empty} <= MAY_BE_EMPTY, f"nothing to show: {empty}")
    for path in done.stdout.split():
        check(os.path.getsize(path) > 1000, f"{path}: {os.path.getsize(path)} bytes")


need(FLOOD, NETCLIENT)
cases = Cases()
cases.group(fixture, (every_metric_is_there, panels_of_a_flood))
sys.exit(cases.status())
