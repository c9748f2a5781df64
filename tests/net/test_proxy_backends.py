# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""Two HAProxies behind one service: what clients and operators see of one that is in trouble."""
import contextlib
import os
import signal
import sys
import threading

from servers import Haproxy, backends, behind, flooded, nothing_stays, table, wait_state
from weirlab import Cases, Failure, Lab, check, check_equal, need, wait_until

V2 = "proxy-protocol=v2,connect-timeout=1s"
CHECKED = f"{V2},check=http:/,check-interval=200ms,check-timeout=400ms,check-fall=2,check-rise=2"


@contextlib.contextmanager
def fixture():
    with Lab() as lab, Haproxy(lab, 9001) as first, Haproxy(lab, 9011) as second:
        listen = [f"*:80=proxy:{first.a},{second.a},{V2},eject-time=1s",
                  f"*:81=proxy:{first.b},{second.b},{CHECKED}",
                  f"*:82=proxy:127.0.0.1:1,127.0.0.1:2,{V2}",
                  f"*:83=proxy:127.0.0.1:1,{V2},on-connect-failure=close"]
        with behind(lab, (first, second), listen, "--msl", "1s", first=first,
                    second=second) as env:
            yield env


RESET = (7, 55, 56)  # curl: while it connected, sent its request, waited for an answer


def get(env, port):
    """curl's exit status: 0 when it was served."""
    return env.lab.run("client", "curl", "-sS", "-o", "/dev/null", "--max-time", 10,
                       f"http://10.0.0.2:{port}/", ok=None).returncode


class Clients:
    """Requests, one after the other, for as long as the block lasts; all must be served."""

    def __init__(self, env, port):
        self.env, self.port = env, port
        self.statuses, self.stop = [], threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.stop.is_set():
            self.statuses.append(get(self.env, self.port))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop.set()
        self.thread.join()
        bad = [s for s in self.statuses if s]
        if kind is None and (bad or len(self.statuses) < 3):
            raise Failure(f"{len(bad)} of {len(self.statuses)} requests failed: curl {bad[:5]}")


def nobody_notices_one_that_dies(env):
    name = env.second.a
    with Clients(env, 80):
        env.second.kill()
        wait_state(env.weir, name, "ejected")
        row = backends(env.weir)[name]
        check_equal(row["last_error"], "connection refused", "why")
        check(row["ejections"] >= 1 and row["failures"] >= 3, row)
        lines = [line for line in table(env.weir).splitlines() if f" {name} " in line]
        check(lines and "ejected, back in" in lines[0] and "connection refused" in lines[0],
              table(env.weir))
        check(f"backend {name} is ejected: connection refused; 1 of 2 up" in env.weir.log(),
              "the log tells of it")
        env.second.start()
        wait_state(env.weir, name, "up", 20)
        before = backends(env.weir)[name]["total"]
        wait_until(lambda: backends(env.weir)[name]["total"] > before + 3, 10, "it is used again")
    check(f"backend {name} is up: its time is over; 2 of 2 up" in env.weir.log(),
          "the log tells of its return")
    check(env.weir.counter("proxy_retried") >= 3, "retries are counted")


def a_check_sees_one_that_stands_still(env):
    """Its kernel still takes connections, so only a check can tell."""
    name = env.first.b
    wait_state(env.weir, name, "up")
    os.kill(env.first.proc.pid, signal.SIGSTOP)
    try:
        wait_state(env.weir, name, "down")
        check_equal(backends(env.weir)[name]["last_error"], "check: timed out", "why")
        with Clients(env, 81), flooded(env, 81):
            wait_until(lambda: backends(env.weir)[env.second.b]["total"] > 8, 10, "the other serves")
    finally:
        os.kill(env.first.proc.pid, signal.SIGCONT)
    wait_state(env.weir, name, "up")
    check(f"backend {name} is down: check: timed out; 1 of 2 up" in env.weir.log(), "down, in the log")
    check(f"backend {name} is up: its checks pass; 2 of 2 up" in env.weir.log(), "up, in the log")


def the_last_one_is_kept(env):
    for _ in range(8):
        said = get(env, 82)
        check(said in RESET, f"curl is reset, not {said}")
    rows = backends(env.weir)
    states = sorted(rows[f"127.0.0.1:{port}"]["state"] for port in (1, 2))
    # Port 1 is of two services, which is fine: the last row is that of the second.
    check("up" in states, f"one of two that do not answer stays up: {rows}")
    check(env.weir.counter("backend_kept") > 0, "that is counted")
    check(env.weir.counter("proxy_unserved") >= 8, "clients sent away are counted")


def closed_instead_of_reset(env):
    check_equal(get(env, 83), 52, "curl's status: nothing came")


def all_of_them(env):
    """Both die, in a flood: clients are reset at once, and served when one is back."""
    with flooded(env, 80):
        env.first.kill()
        env.second.kill()
        wait_until(lambda: get(env, 80) in RESET, 10, "reset")
        env.first.start()
        wait_until(lambda: get(env, 80) == 0, 10, "served again")
        env.second.start()
    wait_state(env.weir, env.first.b, "up", 20)
    wait_state(env.weir, env.second.b, "up", 20)


need()
cases = Cases()
cases.group(fixture, (nobody_notices_one_that_dies, a_check_sees_one_that_stands_still,
                      the_last_one_is_kept, closed_instead_of_reset, all_of_them, nothing_stays))
sys.exit(cases.status())
