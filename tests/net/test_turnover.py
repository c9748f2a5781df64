# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 60
"""
Many more connections, one after the other, than the flow table has entries: what they leave
behind gives way, and every client is let in.
"""
import json
import sys

from weirlab import BUILD, check, check_equal, need, patience, run, scaled, serving

LOAD = f"{BUILD}/weir-load"
FLOWS = scaled(4096, least=1024)
CONNECTIONS = 5 * FLOWS


def fixture():
    need(LOAD)
    return serving(["10.0.0.2:7=sized"], "--flows", FLOWS, clients=20)


def every_client_is_let_in(env):
    done = env.lab.run("client", LOAD, "--json", "--count", CONNECTIONS, "--seconds", patience(40),
                       "--source", "10.0.0.10-10.0.0.29", "request", "10.0.0.2:7", ok=None)
    got = json.loads(done.stdout.strip().splitlines()[-1])
    check_equal(got["succeeded"], CONNECTIONS, f"answered in time: {got['failed']}")
    flows = env.weir.status()["flows"]
    check(flows["used"] <= FLOWS * 7 // 8, f"no room in the flow table: {flows}")
    env.weir.wait_quiet(5)


sys.exit(run(fixture, every_client_is_let_in))
