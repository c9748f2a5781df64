# SPDX-License-Identifier: BSD-2-Clause
# exclusive: that none is slow is said of the 99th percentile
"""weir-load where an address's ports run short."""
import contextlib
import json
import sys

from weirlab import BUILD, Cases, Env, Lab, Weir, check, check_equal, need, patience, scaled

LOAD = f"{BUILD}/weir-load"
PORTS = scaled(2000)  # all used within the minute of TIME_WAIT


@contextlib.contextmanager
def fixture():
    listen = [f"{ip}:9=discard" for ip in ("10.0.0.2", "[fd00::2]")]
    with Lab(clients=3) as lab, Weir(lab, listen, "--msl", "1s") as weir:
        lab.sysctl("client", tcp_tw_reuse=0)
        yield Env(lab=lab, weir=weir)


def load(env, *args):
    return json.loads(env.lab.run("client", LOAD, "--json", "connect", *args).stdout)


def not_early(env):
    """
    Nearly all of an address's ports, most of them in TIME_WAIT: none is slow to be found. What
    is slow where there are plenty is the machine.
    """
    times = {}
    count = PORTS * 19 // 20
    for source, ports in (("fd00::10", 20 * PORTS), ("fd00::11", PORTS)):
        env.lab.sysctl("client", ip_local_port_range=f"20000 {20000 + ports - 1}")
        got = load(env, "[fd00::2]:9", "--count", count, "--seconds", patience(5), "--source",
                   source)
        check_equal((got["attempted"], got["succeeded"]), (count, count), got["failed"])
        times[source] = got["connect_us"]
    plenty, few = times.values()
    check(few["p99"] < max(50 * few["p50"], 4 * plenty["p99"]), times)


def by_name(env):
    got = load(env, "10.0.0.2:9", "--count", PORTS * 3 // 2, "--seconds", patience(5),
               "--source", "10.0.0.11")
    check(got["succeeded"] >= PORTS * 19 // 20, got)
    check_equal(set(got["failed"]), {"local_ports"}, "failures")


need(LOAD)
cases = Cases()
cases.group(fixture, [not_early, by_name])
sys.exit(cases.status())
