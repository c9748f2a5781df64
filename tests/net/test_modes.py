# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 90
"""The modes of a running weir: shown, switched live, and automatic under a flood."""
import contextlib
import json
import subprocess
import sys
import time

from rawtcp import ACK, MASK, PSH, SYN, RawPeer, Wire, mss
from weirlab import (FLOOD, WEIR, Cases, check, check_equal, need, patience, scaled, serving, site,
                     wait_until, while_fetched)

HOLD_S = max(2, round(patience(1)))  # a slow machine floods with pauses


@contextlib.contextmanager
def fixture():
    with site(file__bin=300000, small__txt=b"x" * 1000) as root:
        with serving([f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}", "10.0.0.2:7=echo"],
                     "--msl", "1s", "--mode", "auto", "--auto-syn-rate", 2000, "--auto-hold",
                     f"{HOLD_S}s", root=root) as env:
            yield env


def mode(env, *words, ok=(0,)):
    out = env.lab.run("server", WEIR, "mode", "--ctl", env.weir.ctl, "--json", *words, ok=ok)
    return json.loads(out.stdout) if out.returncode == 0 else None


def modes(env):
    return [s["mode"] for s in env.weir.status()["services"]]


def fetch(env, url="http://10.0.0.2/file.bin"):
    with open(f"{env.root}/file.bin", "rb") as f:
        check(env.lab.curl("-g", url) == f.read(), f"{url}: other bytes")


def shown_and_switched(env):
    check_equal(modes(env), ["auto"] * 3, "modes at the start")
    reply = mode(env, "10.0.0.2:80", "never")
    check_equal([(s["listen"], s["mode"], s["cookies"]) for s in reply["services"]],
                [("10.0.0.2:80", "never", False)], "the reply")
    check_equal(modes(env), ["never", "auto", "auto"], "modes after one was switched")
    check_equal({s["mode"] for s in mode(env, "always")["services"]}, {"always"}, "all switched")
    check_equal({s["cookies"] for s in mode(env)["services"]}, {True}, "all answer with cookies")
    mode(env, "10.0.0.2:81", "never", ok=(1,))
    mode(env, "sometimes:1", ok=(2,))
    check_equal(modes(env), ["always"] * 3, "modes after errors")


def each_mode_serves(env):
    for name, gate, worker in (("always", 2, 0), ("never", 0, 2), ("auto", 0, 2)):
        mode(env, name)
        time.sleep(0.1)
        before = env.weir.counters()
        fetch(env)
        fetch(env, "http://[fd00::2]/file.bin")
        delta = env.weir.moved(before)
        check_equal((delta.get("syn_answered", 0), delta.get("syn_to_worker", 0)), (gate, worker),
                    f"who answered in {name}")
        check_equal(delta["conn_opened"], 2, "connections")


def switching_loses_no_handshake(env):
    """Begun under one mode, ended under another, and once more between two requests."""
    names = ("always", "auto", "never")
    with Wire(env.lab) as wire:
        for first, then in ((a, b) for a in names for b in names if a != b):
            for v6 in (False, True):
                mode(env, first)
                peer = RawPeer(wire, 80, v6=v6)
                peer.send(SYN, options=mss(1460), ack=0)
                answer = peer.expect(lambda seg: seg.flags & (SYN | ACK) == SYN | ACK,
                                     what="SYN-ACK")
                peer.rcv_nxt = (answer.seq + 1) & MASK
                mode(env, then)
                peer.send(ACK)
                for switch in (first, then):
                    size = len(peer.data)
                    peer.send(ACK | PSH, b"GET /small.txt HTTP/1.1\r\nHost: x\r\n\r\n")
                    peer.read(lambda p: len(p.data) > size + 1000)
                    mode(env, switch)
                peer.reset()


def switching_under_load(env):
    """Eight clients at a time, a connection each fetch, while the mode changes all the time."""
    before = env.weir.counters()
    switches = while_fetched(env, lambda n: mode(env, ("never", "always", "auto")[n % 3]))
    delta = env.weir.moved(before)
    check(switches > scaled(10, least=5), f"only {switches} switches")
    for name in ("syn_answered", "syn_to_worker"):
        check(delta.get(name, 0) > 10, f"{name}: {delta.get(name, 0)}")


def auto_under_a_flood(env):
    """The workers until it comes, cookies while it lasts, the workers after the hold."""
    mode(env, "auto")
    before = env.weir.counters()
    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--dst", "10.0.0.2:80",
                       "--rate", scaled(50000), "--seconds", 4, "--json", stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as flood:
        wait_until(lambda: mode(env, "10.0.0.2:80")["services"][0]["cookies"], 3, "no cookies")
        result = env.lab.netclient("fetch", 80, "--path", "/small.txt", "--seconds", 1,
                                   "--concurrency", 2, "--body", f"{env.root}/small.txt")
        flood.communicate(timeout=patience(20))
    check(result["failed"] == 0 and result["done"] > scaled(10), result)
    delta = env.weir.moved(before)
    check_equal(delta.get("auto_to_cookies"), 1, "times cookies began")
    # A second's worth and a second's worth each second, on each CPU, and never more.
    check(delta["syn_to_worker"] < 40000, f"SYNs to the workers: {delta['syn_to_worker']}")
    check(delta["syn_answered"] > scaled(50000), f"SYNs answered: {delta['syn_answered']}")
    time.sleep(HOLD_S + 0.5)
    check(not mode(env, "10.0.0.2:80")["services"][0]["cookies"], "still cookies")
    fetch(env)
    delta = env.weir.moved(before)
    check_equal(delta.get("auto_to_worker"), 1, "times the workers came back")


need(FLOOD)
cases = Cases()
cases.group(fixture, (shown_and_switched, each_mode_serves, switching_loses_no_handshake,
                      switching_under_load, auto_under_a_flood))
sys.exit(cases.status())
