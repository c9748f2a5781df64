# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 330
"""Two queues and 20% loss each way: streams stay byte-exact while flows change queue."""
import contextlib
import os
import sys

from weirlab import SERVER6, check, check_equal, patience, run, serving, site


@contextlib.contextmanager
def fixture():
    with site(file__bin=60000) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo", "[fd00::2]:7=echo"], "--msl",
                     "1s", "--rto-max", "2s", root=root, queues=2, loss=20) as env:
            # Timeouts that double without end would make a lottery of the time limits:
            # in one stream of ten thousand, ten copies in a row are lost.
            if os.path.exists("/proc/sys/net/ipv4/tcp_rto_max_ms"):
                env.lab.sysctl("client", tcp_rto_max_ms=2000)
            yield env


def both_queues(env):
    check_equal(env.weir.queues, 2, "queues")


def echo(env):
    """A Linux sender rehashes on RTO: the frames go from worker to worker, and none is lost."""
    result = env.lab.netclient("echo", 7, "--conns", 16, "--bytes", 60000, time_limit=100)
    check(result["ok"] == 16, result)
    check(env.weir.counter("handover_sent") > 0, "flows changed queue")


def echo_ipv6(env):
    result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 30000, time_limit=100,
                               server=SERVER6)
    check(result["ok"] == 8, result)


def download(env):
    result = env.lab.netclient("fetch", 80, "--path", "/file.bin", "--body",
                               f"{env.root}/file.bin", "--requests", 8, "--concurrency", 8,
                               "--limit-ms", round(patience(100000)), time_limit=100)
    check(result["done"] == 8 and result["failed"] == 0, result)


def nothing_made_twice(env):
    counters = env.weir.counters()
    check(counters["conn_opened"] <= 16 + 8 + 8, f"{counters['conn_opened']} connections opened")


sys.exit(run(fixture, both_queues, echo, echo_ipv6, download, nothing_made_twice))
