# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""A large file to readers that are slow or stand still: bounded memory, correct bytes."""
import contextlib
import os
import subprocess
import sys
import time

from weirlab import NETCLIENT, check, check_equal, patience, run, scaled, serving, site, wait_until

SIZE = scaled(1024, least=64) << 20
# What one connection may hold in buffers: 4 MiB of data, the blocks' headers, the log of it.
PER_CONNECTION = (4 << 20) + (96 << 10)


@contextlib.contextmanager
def fixture():
    with site() as root:
        with open(f"{root}/huge.bin", "wb") as f:
            f.truncate(SIZE)
            for at in range(0, SIZE, 1 << 20):  # marks in a sparse file: no two MiB are alike
                f.seek(at)
                f.write(os.urandom(64))
        with serving([f"10.0.0.2:80=http:{root}"], root=root) as env:
            yield env


def rss(env):
    with open(f"/proc/{env.weir.proc.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def buffers(env):
    return env.weir.status()["memory"]["buffers_used_bytes"]


def read_slowly(env, *args):
    return env.lab.spawn("client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path", "/huge.bin",
                         "--body", f"{env.root}/huge.bin", "--time", round(patience(60)), *args,
                         stdout=subprocess.PIPE)


def watch(env, client):
    """The most that was held in buffers until the client ended."""
    most = 0
    while client.poll() is None:
        most = max(most, buffers(env))
        time.sleep(0.1)
    return most


def limited_rate(env):
    before = rss(env)
    with read_slowly(env, "--rate", scaled(30 << 20), "--bytes", scaled(200 << 20)) as client:
        most = watch(env, client)
        check_equal(client.wait(patience(60)), 0, client.stdout.read())
    check(most <= PER_CONNECTION, f"{most} bytes in buffers for one slow reader")
    check(rss(env) - before < 64 << 20, f"memory grew from {before} to {rss(env)} bytes")


def stalled(env):
    """While the reader stands still nothing grows; then it gets its bytes."""
    with read_slowly(env, "--stall-after", 20 << 20, "--stall", 4, "--bytes", 40 << 20) as client:
        check("stalled" in client.stdout.readline(), "the client reads 20 MiB and stops")
        time.sleep(1)
        first, memory = buffers(env), rss(env)
        time.sleep(2)
        check(buffers(env) <= max(first, PER_CONNECTION), "buffers grow while nobody reads")
        check(rss(env) - memory < 8 << 20, "memory grows while nobody reads")
        check_equal(client.wait(patience(20)), 0, client.stdout.read())


def many_stalled(env):
    """Forty readers that never read: each bounded, and another is served beside them."""
    with env.lab.spawn("client", NETCLIENT, "zerowin", "10.0.0.2", 80, "--path", "/huge.bin",
                       "--conns", 40, "--time", 6, stdout=subprocess.DEVNULL):
        time.sleep(2)
        check_equal(len(env.weir.conns("ESTABLISHED")), 40, "connections")
        check(buffers(env) <= 40 * PER_CONNECTION, f"{buffers(env)} bytes in buffers")
        with read_slowly(env, "--bytes", 50 << 20) as client:
            check_equal(client.wait(patience(30)), 0, client.stdout.read())
    wait_until(lambda: buffers(env) == 0, 5, lambda: f"buffers given back; left {buffers(env)}")


def whole(env):
    """The whole of it, as fast as it goes."""
    start = time.monotonic()
    with read_slowly(env) as client:
        most = watch(env, client)
        check_equal(client.wait(patience(60)), 0, client.stdout.read())
    check(most <= PER_CONNECTION, f"{most} bytes in buffers for one reader")
    print(f"# {SIZE >> 20} MiB in {time.monotonic() - start:.1f} s, at most {most} bytes "
          "in buffers")


sys.exit(run(fixture, limited_rate, stalled, many_stalled, whole))
