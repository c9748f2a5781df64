# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 240
# exclusive: frames per second, within 5%
"""weir-flood's rates: what arrives at the other end in any second is what was asked for."""
import contextlib
import json
import subprocess
import sys
import time

from weirlab import FLOOD, Cases, Env, Failure, Lab, check, need, patience, wait_until


@contextlib.contextmanager
def fixture():
    with Lab() as lab:
        yield Env(lab=lab)


def rx_packets(env):
    """None until the watcher has entered its namespace."""
    with open(f"/proc/{env.watch.pid}/net/dev", encoding="ascii") as f:
        for line in f:
            name, _, values = line.partition(":")
            if name.strip() == env.lab.iface["server"]:
                return int(values.split()[1])
    return None


def windows(env, proc):
    """Frames that arrived in each second, windows beginning every tenth of one."""
    samples = []
    while proc.poll() is None:
        samples.append((time.monotonic(), rx_packets(env)))
        time.sleep(0.02)
    first = next((t for t, n in samples if n > samples[0][1]), None)
    check(first is not None, "nothing arrived")
    rates = []
    for t, n in samples:
        later = next((s for s in samples if s[0] >= t + 1), None)
        # Neither the beginning nor the end of it.
        if later and t > first + 0.1 and later[0] < first + 2.2:
            rates.append((later[1] - n) / (later[0] - t))
    return rates


def holds_rate(env, rate, backend):
    for _ in range(6):  # on a machine that others use too
        with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                           "--rate", rate, "--seconds", 2.5, "--backend", backend, "--json",
                           stdout=subprocess.PIPE) as proc:
            rates = windows(env, proc)
            out = json.loads(proc.communicate(timeout=patience(20))[0])
        good = [r for r in rates if abs(r - rate) <= 0.05 * rate]
        # The windows leave out the beginning and the end: a stall there shows in the whole.
        if len(rates) > 10 and len(good) == len(rates) \
                and abs(out["rate_per_s"] - rate) <= 0.05 * rate:
            return
    raise Failure(f"{backend} {rate}/s: per second {[round(r) for r in rates]}; {out}")


def rate_holds_in_any_second(env):
    # Frames for nobody: the server's stack drops them at once.
    env.lab.run("server", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1")
    with env.lab.spawn("server", "sleep", "200") as env.watch:
        wait_until(lambda: rx_packets(env) is not None, 5, "the watcher is in the namespace")
        for rate, backend in ((1000, "live"), (50000, "live"), (200000, "live"), (1000, "xsk"),
                              (50000, "xsk")):
            holds_rate(env, rate, backend)


def the_sum_is_what_was_asked(env):
    for _ in range(3):  # on a machine that others use too
        done = env.lab.run("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                           "--json", "--rate", "60k", "--seconds", 1)
        out = json.loads(done.stdout)
        if abs(out["sent_per_s"] - 60000) <= 3000 and abs(out["seconds"] - 1) < 0.1:
            return
    raise Failure(f"{out}")


need(FLOOD)
cases = Cases()
cases.group(fixture, (rate_holds_in_any_second, the_sum_is_what_was_asked))
sys.exit(cases.status())
