# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 200
"""
A machine with little memory (`small`): weir runs with its defaults made to fit, refuses what
cannot be had, and under a load that takes all that it may the OOM killer is not needed.
"""
import contextlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from weirlab import (NETCLIENT, WEIR, Cases, Env, Lab, Weir, check, check_equal, need,  # noqa: E402
                     patience, sparse, wait_until)

MIB = 1 << 20


def vmstat(name):
    with open("/proc/vmstat", encoding="ascii") as f:
        return int(dict(line.split() for line in f).get(name, 0))


@contextlib.contextmanager
def nothing_killed():
    before = vmstat("oom_kill")
    yield
    check_equal(vmstat("oom_kill") - before, 0, "processes killed for want of memory")


@contextlib.contextmanager
def fixture():
    os.makedirs("/tmp/site", exist_ok=True)
    sparse("/tmp/site/file.bin", MIB)
    with nothing_killed(), Lab() as lab:
        yield Env(lab=lab, may_end=True)


def listen():
    return ["10.0.0.2:80=http:/tmp/site", "10.0.0.2:7=echo"]


def too_much_is_refused(env):
    for option, value in (("--buffers", 4096), ("--conns", 4 << 20), ("--flows", 4 << 20)):
        done = env.lab.run("server", WEIR, "run", "-i", "weir0", "--listen", "10.0.0.2:7=echo", option,
                           value, ok=(1,))
        check(option in done.stderr and "ask for less" in done.stderr, done.stderr)


def the_defaults_are_made_to_fit(env):
    with Weir(env.lab, listen()) as weir:
        check("MiB that are available: --conns" in weir.log(), weir.log())
        result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 20000)
        check_equal(result["ok"], 8, f"echo: {result}")
        check_equal(weir.stop(), 0, "exit status")


def all_that_it_may_have(env):
    """Readers that do not read, and more connections than there is room for."""
    with Weir(env.lab, listen(), "--conns", 2048, "--buffers", 8, "--flows", 8192) as env.weir:
        with env.lab.connect(7, timeout=20) as held, env.lab.spawn(
                "client", NETCLIENT, "zerowin", "10.0.0.2", 80, "--path", "/file.bin", "--conns", 150,
                "--time", round(patience(4)), stdout=subprocess.DEVNULL) as client:
            wait_until(lambda: env.weir.counter("send_no_block") > 0, 10, "buffers are short")
            while client.poll() is None:
                held.sendall(b"served")
                check_equal(held.recv(100), b"served", "echo")
        check_equal(env.weir.stop(), 0, "exit status")


def main():
    if os.environ.get("WEIR_MACHINE") != "small":
        print("for a guest with little memory: vmtest/run --machine small", file=sys.stderr)
        return 77
    need()
    cases = Cases()
    cases.group(fixture, (too_much_is_refused, the_defaults_are_made_to_fit, all_that_it_may_have))
    return cases.status()


if __name__ == "__main__":
    sys.exit(main())
