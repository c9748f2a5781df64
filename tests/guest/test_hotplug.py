# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 200
"""
A CPU goes and comes back while weir serves, its workers pinned to it or free: a flood and
honest clients are answered on, and no counter loses what that CPU had counted.
"""
import contextlib
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from rawtcp import SYN, RawPeer, Wire, mss  # noqa: E402
from weirlab import (NETCLIENT, Cases, Env, Lab, Weir, check, check_equal, need, patience,  # noqa: E402
                     wait_until)

CPU = "/sys/devices/system/cpu/cpu1/online"


def online(on):
    with open(CPU, "w", encoding="ascii") as f:
        f.write("1" if on else "0")


@contextlib.contextmanager
def offline():
    online(False)
    try:
        yield
    finally:
        online(True)


@contextlib.contextmanager
def flood(env):
    """SYNs that nobody completes, as fast as this thread makes them."""
    over = threading.Event()

    def run(wire):
        while not over.wait(0.002):
            RawPeer(wire, 7).send(SYN, options=mss(1460), ack=0)

    with Wire(env.lab) as wire:
        thread = threading.Thread(target=run, args=(wire,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def fixture(cpu):
    @contextlib.contextmanager
    def make():
        with Lab(queues=2) as lab, Weir(lab, ["10.0.0.2:7=echo"], "--workers", 2, cpu=cpu) as weir:
            yield Env(lab=lab, weir=weir)
    return make


class Watch:
    """Counters, each time not below the time before."""

    def __init__(self, env):
        self.env, self.last = env, env.weir.counters()

    def look(self):
        now = self.env.weir.counters()
        less = {k: (v, now[k]) for k, v in self.last.items() if now[k] < v}
        check(not less, f"counters that went back: {less}")
        self.last = now
        return now


def talk(env, watch):
    result = env.lab.netclient("echo", 7, "--conns", 8, "--concurrency", 4, "--bytes", 5000)
    check_equal(result["ok"], 8, f"echo: {result}")
    return watch.look()


def goes_and_comes_back(env):
    watch = Watch(env)
    with env.lab.connect(7, timeout=20) as held, flood(env), env.lab.spawn(
            "client", NETCLIENT, "echo", "10.0.0.2", 7, "--conns", 30, "--concurrency", 2, "--bytes", 100000,
            "--time", round(patience(30)), stdout=subprocess.PIPE) as client:
        talk(env, watch)
        for _ in range(2):
            with offline():
                before = watch.look()
                held.sendall(b"without it")
                check_equal(held.recv(20), b"without it", "echo")
                after = talk(env, watch)
                check(after["ack_accepted"] - before["ack_accepted"] >= 8, "cookies accepted")
                wait_until(lambda: watch.look()["syn_answered"] >= before["syn_answered"] + 20, 10,
                           "the flood is answered")
            talk(env, watch)
            held.sendall(b"with it")
            check_equal(held.recv(20), b"with it", "echo")
        out, _ = client.communicate(timeout=patience(40))
    check_equal(client.returncode, 0, f"echo through all of it: {out}")


def starts_without_it(env):
    """The counters' table has a row for it all the same."""
    check_equal(env.weir.stop(), 0, "exit status")
    with offline():
        env.weir.start()
        watch = Watch(env)
        talk(env, watch)
    got = talk(env, watch)
    check_equal(got["conn_opened"], 16, "connections opened")


def main():
    if "WEIR_VM" not in os.environ:
        print("takes a CPU away: in a guest alone", file=sys.stderr)
        return 77
    need()
    if not os.path.exists(CPU):
        print("no CPU to take away", file=sys.stderr)
        return 77
    cases = Cases()
    cases.group(fixture(None), (goes_and_comes_back, starts_without_it), "free-")
    cases.group(fixture(1), (goes_and_comes_back,), "pinned-")
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
