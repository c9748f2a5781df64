# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 180
# exclusive: a hundred thousand connections, which the client gives up one by one when closing takes long
"""100,000 connections at once in one worker, and what each of them costs."""
import contextlib
import json
import os
import subprocess
import sys
import time

from weirlab import NETCLIENT, check, check_equal, patience, run, scaled, serving, wait_until

CLIENTS, EACH = 8, scaled(12500)  # as many as a process may have descriptors by default
FRAMES = 16384
CONNS = CLIENTS * EACH


@contextlib.contextmanager
def fixture():
    with serving(["10.0.0.2:7=echo"], "--msl", "1s", "--rx-frames", FRAMES,
                 clients=CLIENTS) as env:
        env.lab.sysctl("client", ip_local_port_range="10000 65000", tcp_max_tw_buckets="1000")
        yield env


def rss(env):
    with open(f"/proc/{env.weir.proc.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def holder(env, i):
    """Fewer at once on a slower machine: SYNs that overrun the veth's ring are soon given up."""
    return env.lab.spawn("client", NETCLIENT, "hold", "10.0.0.2", 7, "--conns", EACH, "--src",
                         f"10.0.0.{10 + i}", "--concurrency", scaled(50),
                         "--time", round(patience(150)), "--hold", round(patience(120)),
                         stdout=subprocess.PIPE, stdin=subprocess.PIPE)


def go_on(clients):
    for client in clients:
        client.stdin.write("go\n")
        client.stdin.flush()


def hundred_thousand(env):
    """
    All are open at once. A final ACK that was lost at the worker's ring leaves the flow
    in the map; the first byte makes up for it, so they are counted after that.
    """
    check_equal(env.weir.status()["workers"], 1, "workers")
    before, start = rss(env), time.monotonic()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(holder(env, i)) for i in range(CLIENTS)]
        for client in clients:
            check_equal(client.stdout.readline().split(), ["held", str(EACH)], "connections held")
        opened = time.monotonic() - start
        start = time.monotonic()
        go_on(clients)
        for client in clients:
            result = json.loads(client.stdout.readline())
            check_equal(result["answered"], EACH, result)
        asked = time.monotonic() - start
        status, grown = env.weir.status(), rss(env) - before
        check_equal(status["connections"]["ESTABLISHED"], CONNS, "ESTABLISHED in status")
        check_equal(len(env.weir.conns()), CONNS, "rows of weir conns")
        go_on(clients)
        for client in clients:
            client.wait(patience(30))
    each = status["memory"]["per_connection_bytes"]
    print(f"# {each} bytes per connection by status, {grown / CONNS:.0f} by RSS; opened in "
          f"{opened:.1f} s, a byte echoed on each in {asked:.1f} s")
    check(0 < each < 4096, f"{each} bytes per connection")
    # Where they are fewer, the frames that were in use show.
    frames = FRAMES * 2048 if CONNS < 100000 else 0
    check(grown - frames < CONNS * (each * 1.25 + 100),
          f"status says {each}, RSS grew by {grown / CONNS:.0f}")


def all_gone(env):
    wait_until(lambda: sum(env.weir.status()["connections"].values()) == 0, 20,
               lambda: f"connections gone: {env.weir.status()['connections']}")
    check_equal(env.weir.counter("conn_opened"), CONNS, "conn_opened")
    check_equal(env.weir.counter("conn_closed"), CONNS, "conn_closed")


def serves_on(env):
    result = env.lab.netclient("echo", 7, "--conns", 20, "--bytes", 10000)
    check_equal(result["ok"], 20, result)


sys.exit(run(fixture, hundred_thousand, all_gone, serves_on))
