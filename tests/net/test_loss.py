# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 180
"""Two queues and 20% loss each way: streams stay byte-exact while flows change queue."""
import contextlib
import sys
import tempfile

from weirlab import SERVER6, check, check_equal, run, serving, sha256, site


@contextlib.contextmanager
def fixture():
    with site(file__bin=400000) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo", "[fd00::2]:7=echo"], "--msl",
                     "1s", root=root, queues=2, loss=20) as env:
            yield env


def both_queues(env):
    check_equal(env.weir.queues, 2, "queues")


def echo(env):
    result = env.lab.netclient("echo", 7, "--conns", 16, "--bytes", 100000, time_limit=80)
    check(result["ok"] == 16, result)


def echo_ipv6(env):
    result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", 40000, time_limit=60,
                               server=SERVER6)
    check(result["ok"] == 8, result)


def download(env):
    with tempfile.TemporaryDirectory() as out:
        env.lab.curl("--parallel", "--parallel-immediate", "--connect-timeout", 30, "-o",
                     f"{out}/f#1", "http://10.0.0.2/file.bin?[1-4]", timeout=80)
        for i in range(1, 5):
            check_equal(sha256(f"{out}/f{i}"), sha256(f"{env.root}/file.bin"), f"download {i}")


def flows_changed_queue(env):
    """A Linux sender rehashes on RTO; frames went from worker to worker, none was lost there."""
    counters = env.weir.counters()
    check(counters["handover_sent"] > 0, f"hand-overs: {counters['handover_sent']}")


def nothing_made_twice(env):
    counters = env.weir.counters()
    check(counters["conn_opened"] <= 16 + 8 + 4, f"{counters['conn_opened']} connections opened")


sys.exit(run(fixture, both_queues, echo, echo_ipv6, download, flows_changed_queue,
             nothing_made_twice))
