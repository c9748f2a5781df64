# SPDX-License-Identifier: BSD-2-Clause
"""docs/fleet.md: BIRD takes its configurations, and its announcing script does what it says."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [f"{ROOT}/tests", f"{ROOT}/tests/net"]
from weirlab import Cases, Skip, check, check_equal, patience, wait_until  # noqa: E402

ANNOUNCE = f"{ROOT}/tools/examples/weir-announce"


def blocks(kind):
    with open(f"{ROOT}/docs/fleet.md", encoding="utf-8") as f:
        return re.findall(rf"^```{kind}\n(.*?)^```", f.read(), re.S | re.M)


def bird_accepts_the_configurations(_):
    bird = shutil.which("bird", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not bird:
        raise Skip("bird is missing: run make deps")
    found = blocks("bird")
    check_equal(len(found), 2, "configurations: a node's and a router's")
    for text in found:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write(text)
            f.flush()
            done = subprocess.run([bird, "-p", "-c", f.name], capture_output=True, text=True,
                                  check=False)
            check_equal((done.returncode, done.stderr), (0, ""), "bird -p")
            f.write("protocol nonsense {}\n")  # and it is looked at
            f.flush()
            check(subprocess.run([bird, "-p", "-c", f.name], capture_output=True,
                                 check=False).returncode, "nonsense is accepted")


class Announcer:
    """The script, over a weir that says what a file says."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-announce-")
        self.weir, self.did = f"{self.dir}/weir", f"{self.dir}/did"
        with open(self.weir, "w", encoding="ascii") as f:
            f.write(f'#!/bin/sh\necho "$@" >>{self.dir}/asked\ncat {self.dir}/say\nexit $(cat {self.dir}/rc)\n')
        os.chmod(self.weir, 0o700)

    def health(self, status, said):
        for name, text in (("say", said), ("rc", status)):
            with open(f"{self.dir}/tmp", "w", encoding="ascii") as f:
                f.write(f"{text}\n")
            os.rename(f"{self.dir}/tmp", f"{self.dir}/{name}")

    def done(self):
        if not os.path.exists(self.did):
            return []
        with open(self.did, encoding="ascii") as f:
            return f.read().split()

    def wait(self, *what):
        wait_until(lambda: self.done() == list(what), 5, lambda: f"{what}; done: {self.done()}")

    def __enter__(self):
        self.health(1, "weir health: no weir runs")
        self.proc = subprocess.Popen([ANNOUNCE, "eth0", f"echo up >>{self.did}",
                                      f"echo down >>{self.did}"],
                                     env={**os.environ, "WEIR": self.weir, "EVERY": "0.1"},
                                     stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir)


def the_script_follows_the_health(_):
    with Announcer() as a:
        a.wait("down")  # whatever was announced before
        a.health(0, "eth0: healthy")
        a.wait("down", "up")
        a.health(1, "eth0: not healthy: a worker is silent")
        a.wait("down", "up", "down")
        a.health(0, "eth0: healthy")
        a.wait("down", "up", "down", "up")
        a.health(1, "eth0: not healthy: draining")
        a.wait("down", "up", "down", "up", "down")
        with open(f"{a.dir}/asked", encoding="ascii") as f:
            check_equal(set(f.read().splitlines()), {"health -i eth0 --timeout 1s"}, "asked")


def the_script_withdraws_when_it_ends(_):
    with Announcer() as a:
        a.health(0, "eth0: healthy")
        wait_until(lambda: "up" in a.done(), 5, "up")
        a.proc.send_signal(signal.SIGTERM)
        check_equal(a.proc.wait(patience(5)), 0, "exit status")
        check_equal(a.done()[-1], "down", "the last that was done")
    check_equal(subprocess.run([ANNOUNCE, "eth0"], capture_output=True, check=False).returncode, 2,
                "exit status of a misuse")


cases = Cases()
cases.group(contextlib.nullcontext, (
    bird_accepts_the_configurations, the_script_follows_the_health,
    the_script_withdraws_when_it_ends))
sys.exit(cases.status())
