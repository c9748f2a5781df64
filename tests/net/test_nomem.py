# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 300
"""
Each allocation of weir's own start fails once: an error and its status, and nothing is left;
and all of them fail for a while under a weir that serves: what is open goes on.
"""
import contextlib
import os
import signal
import sys
import time

from weirlab import (BUILD, Cases, Env, Failure, Lab, Weir, check, check_equal, need, patience,
                     serving, site, wait_until)

NOMEM = f"{BUILD}/tests/net/libnomem.so"
FIRED = "nomem: here"
MOST = 400  # allocations of a start


class Starved(Weir):
    def __init__(self, *args, **env):
        super().__init__(*args)
        self.argv = ["env", f"LD_PRELOAD={NOMEM}", *(f"{k}={v}" for k, v in env.items())] + self.argv


@contextlib.contextmanager
def lab_fixture():
    with site(small__txt=b"small\n") as root, Lab(queues=2) as lab:
        yield Env(lab=lab, root=root, before=lab.link("server"))


def one_start(env, n):
    """With the n-th allocation failing. Whether there was one; what was said where it ended."""
    weir = Starved(env.lab, [f"10.0.0.2:80=http:{env.root}", "[fd00::2]:7=echo"], NOMEM_AT=n)
    try:
        with weir:
            weir.stop()
    except Failure:
        check(weir.proc.returncode is not None, f"allocation {n}: neither serves nor ends")
    said = weir.last_words
    if FIRED not in said:
        check_equal(weir.proc.returncode, 0, f"allocation {n}: status of a whole run: {said}")
        return False
    if "weir: ready" in said:
        check_equal(weir.proc.returncode, 0, f"allocation {n}, done without: status; said: {said}")
    else:
        check(weir.proc.returncode in (1, 2), f"allocation {n}: {weir.proc.returncode}; said: {said}")
        check("weir run: " in said, f"allocation {n}: no error was said: {said}")
    check_equal(env.lab.link("server"), env.before, f"allocation {n}: the interface")
    return True


def each_of_the_start(env):
    n = 1
    while one_start(env, n):
        n += 1
        check(n < MOST, f"more than {MOST} allocations")
    check(n > 20, f"only {n - 1} allocations failed")
    print(f"# {n - 1} allocations")


@contextlib.contextmanager
def serving_fixture():
    with site(small__txt=b"small\n", big__bin=1 << 20) as root:
        flag = f"{root}/.starve"

        class Flagged(Starved):
            def __init__(self, *args):
                super().__init__(*args, NOMEM_WHEN=flag)

        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], root=root,
                     weir_class=Flagged) as env:
            env.flag = flag
            yield env


@contextlib.contextmanager
def starved(env):
    with open(env.flag, "wb"):
        pass
    try:
        yield
    finally:
        os.unlink(env.flag)


def serves_on(env):
    with env.lab.connect(7) as held:
        with starved(env):
            held.sendall(b"without memory")
            check_equal(held.recv(100), b"without memory", "echo")
            result = env.lab.netclient("echo", 7, "--conns", 50, "--bytes", 20000)
            check_equal(result["ok"], 50, f"echo: {result}")
            # A file may be refused, in HTTP's own words or by a reset, but not hang.
            env.lab.curl("-o", "/dev/null", "http://10.0.0.2/big.bin", ok=None, timeout=10)
            with contextlib.suppress(Failure):
                env.weir.status()
            with contextlib.suppress(Failure):
                env.weir.conns()
        held.sendall(b"with it")
        check_equal(held.recv(100), b"with it", "echo")
    check_equal(env.lab.curl("http://10.0.0.2/small.txt"), b"small\n", "body")
    wait_until(env.weir.status, patience(5), "the control socket answers")


def stops_without(env):
    with starved(env):
        start = time.monotonic()
        check_equal(env.weir.stop(signal.SIGTERM), 0, "exit status")
        check(time.monotonic() - start < patience(10), "within its time")
    env.may_end = True


need(NOMEM)
cases = Cases()
cases.group(lab_fixture, (each_of_the_start,))
cases.group(serving_fixture, (serves_on, stops_without))
sys.exit(cases.status())
