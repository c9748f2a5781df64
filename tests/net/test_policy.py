# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 120
"""Lists and limits of a running weir, each met by a flood while a good client is served."""
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from weirlab import (FLOOD, WEIR, Cases, check, check_equal, need, patience, scaled, serving, site,
                     wait_until)

RATE, SECONDS = scaled(50000), 3
GOOD4, GOOD6 = "10.0.1.77", "fd00::77"  # of another prefix than the client
SYNACKS = 40  # a second
FLOWS_OPEN = 8
FLOWS_RATE = scaled(30, least=12)


def good_addresses(env):
    dev = env.lab.iface["client"]
    env.lab.run("client", "ip", "addr", "add", f"{GOOD4}/32", "dev", dev)
    env.lab.run("client", "ip", "addr", "add", f"{GOOD6}/64", "dev", dev, "nodad")
    env.lab.curl("http://10.0.0.2/small.txt")  # the neighbour is known from here on


@contextlib.contextmanager
def limited():
    with site(small__txt=b"x" * 1000) as root, tempfile.NamedTemporaryFile("w") as deny:
        deny.write("# who is not wanted\n198.18.0.0/16\n2001:2:0:0:8000::/65\n")
        deny.write("".join(f"203.0.{i}.0/24\n" for i in range(256)))
        deny.flush()
        with serving([f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}", "10.0.0.2:7=echo",
                      "10.0.0.2:8=echo"],
                     "--msl", "1s", "--acl-deny", f"@{deny.name}", "--acl-allow",
                     f"10.0.0.2:8={GOOD4}", "--synack-rate", SYNACKS, "--flow-limit", FLOWS_OPEN,
                     "--flow-rate", FLOWS_RATE, "--unknown-ack", "drop", root=root) as env:
            good_addresses(env)
            yield env


class Flood:
    """What it sent, and what the counters say of the time, once it is over."""

    def __init__(self):
        self.sent, self.took, self.delta = 0, 0, {}

    def most(self, counter):
        """Most of what came was counted so, or is on the way."""
        check(self.delta.get(counter, 0) > self.sent / 2, f"{self.sent} sent: {self.delta}")


@contextlib.contextmanager
def flood(env, *args, rate=RATE):
    """At least SECONDS long, and as long as what is done meanwhile."""
    before, start, result = env.weir.counters(), time.monotonic(), Flood()
    with env.lab.spawn("client", FLOOD, "-i", env.lab.iface["client"], "--rate", rate, "--seconds",
                       patience(60), "--json", *args, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE) as proc:
        time.sleep(0.5)
        yield result
        time.sleep(max(0, SECONDS - (time.monotonic() - start)))
        check(proc.poll() is None, "the flood ended before the fetches")
        proc.send_signal(signal.SIGINT)
        out, err = proc.communicate(timeout=patience(20))
    check(proc.returncode in (0, 130), f"weir-flood: {proc.returncode}, {err[-300:]}")
    result.sent, result.took = json.loads(out)["sent"], time.monotonic() - start
    check(result.sent > rate * SECONDS / 2, out)
    result.delta = env.weir.moved(before)


def fetch(env, source=GOOD4, url="http://10.0.0.2/small.txt"):
    check_equal(env.lab.curl("-g", "--interface", source, "--connect-timeout", patience(3), url),
                b"x" * 1000, f"what {source} got")


def served_under(env, dst, *args, **kwargs):
    """A flood, and the good client meanwhile."""
    with flood(env, "--dst", dst, *args, **kwargs) as result:
        for _ in range(5):
            fetch(env)
            fetch(env, GOOD6, "http://[fd00::2]/small.txt")
    return result


def denied_sources(env):
    for dst, net in (("10.0.0.2:80", "198.18.0.0/16"), ("[fd00::2]:80", "2001:2:0:0:8000::/65")):
        syns = served_under(env, dst, "--src-net", net)
        syns.most("drop_acl_denied")
        check_equal(syns.delta["syn_answered"], 10, "SYNs answered")
    acks = served_under(env, dst, "--src-net", net, "--kind", "ack")
    acks.most("drop_acl_denied")
    check("rst_sent" not in acks.delta, acks.delta)


def syn_acks_to_a_prefix(env):
    """SYNs forged to be of one prefix: it gets no more than its share of SYN-ACKs."""
    for dst, net in (("10.0.0.2:80", "198.19.7.0/24"), ("[fd00::2]:80", "2001:2::/65")):
        syns = served_under(env, dst, "--src-net", net)
        syns.most("drop_synack_rate")
        answered, most = syns.delta["syn_answered"], 10 + SYNACKS * (syns.took + 2)
        check(SYNACKS < answered < most, f"SYN-ACKs: {answered} in {syns.took:.1f} s")


def syn_acks_to_all_others(env):
    """Sources each below the limit are not held to it, however many."""
    syns = served_under(env, "10.0.0.2:80", "--src-net", "198.19.0.0/16", rate=scaled(2000))
    syns.most("syn_answered")
    check("drop_synack_rate" not in syns.delta, syns.delta)


def unknown_acks(env):
    acks = served_under(env, "10.0.0.2:80", "--src-net", "198.19.0.0/16", "--kind", "ack")
    acks.most("drop_ack_cookie")
    check("rst_sent" not in acks.delta, acks.delta)


def connect(env, port, source):
    sock = env.lab.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.settimeout(patience(0.5))
    sock.bind((source, 0))
    try:
        sock.connect(("10.0.0.2", port))
    except OSError:
        sock.close()
        return None
    return sock


def flows_of_a_source(env):
    """One that opens all it can holds its number; ended ones count no more, at once."""
    before = env.weir.counters()
    for _ in range(3):
        time.sleep(1)  # for the rate of new ones
        held = [connect(env, 7, "10.0.0.1") for _ in range(FLOWS_OPEN)]
        check(all(held), "fewer than it may have")
        wait_until(lambda: len(env.weir.conns("ESTABLISHED")) == FLOWS_OPEN, 3, "not all are open")
        check(connect(env, 7, "10.0.0.1") is None, "more than it may have")
        fetch(env)
        for sock in held:
            sock.sendall(b"hello")
            check_equal(sock.recv(5), b"hello", "the echo")
            sock.close()
        wait_until(lambda: not env.weir.conns("ESTABLISHED"), 3, "not all are closed")
    delta = env.weir.moved(before)
    check(delta["drop_flow_limit"] >= 3, delta)
    check_equal(delta["conn_opened"], 3 * FLOWS_OPEN + 3, "connections")


def flows_a_second_of_a_source(env):
    """One that opens and closes as fast as it can opens its number, and another is served."""
    crowd = threading.Thread(target=lambda: env.lab.netclient(
        "fetch", 80, "--path", "/small.txt", "--seconds", 3, "--concurrency", 6))
    before, start = env.weir.counters(), time.monotonic()
    crowd.start()
    while crowd.is_alive():
        fetch(env)
        time.sleep(0.3)
    crowd.join()
    delta, took = env.weir.moved(before), time.monotonic() - start
    check(delta["drop_flow_rate"] > 0, delta)
    check(delta["conn_opened"] < 2 * FLOWS_RATE * (took + 2), delta)


def a_list_of_one_service(env):
    check(connect(env, 8, "10.0.0.1") is None, "who is not listed got in")
    check(env.weir.counter("drop_acl_unlisted") > 0, "not counted")
    sock = connect(env, 8, GOOD4)
    sock.sendall(b"hello")
    check_equal(sock.recv(5), b"hello", "the echo")
    sock.close()


@contextlib.contextmanager
def listed():
    with site(small__txt=b"x" * 1000) as root:
        with serving([f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}", "10.0.0.2:7=echo"],
                     "--msl", "1s", "--acl-allow", "10.0.0.0/23", "--acl-allow", "fd00::/64",
                     "--max-flows", FLOWS_OPEN, root=root) as env:
            good_addresses(env)
            yield env


def unlisted_sources(env):
    syns = served_under(env, "10.0.0.2:80")
    syns.most("drop_acl_unlisted")
    check_equal(syns.delta["syn_answered"], 10, "SYNs answered")


def all_flows(env):
    """As many as may be open, then nobody is answered; what is open goes on."""
    held = [connect(env, 7, "10.0.0.1") for _ in range(FLOWS_OPEN)]
    check(all(held), "fewer than may be open")
    wait_until(lambda: connect(env, 7, "10.0.0.1") is None, 3, "more were let in")
    check(env.weir.counter("drop_flows_full") > 0, "not counted")
    for sock in held:
        sock.sendall(b"hello")
        check_equal(sock.recv(5), b"hello", "the echo")
        sock.close()
    wait_until(lambda: connect(env, 7, GOOD4), 5, "nobody is let in again")


def shown(env):
    """What is in force, and what becomes of an address."""
    def policy(*words, ok=(0,)):
        return env.lab.run("server", WEIR, "policy", "--ctl", env.weir.ctl, *words, ok=ok).stdout
    reply = json.loads(policy("--json"))
    check_equal(reply["lists"], [{"name": "", "allow": 2, "deny": 0, "services": []}], "lists")
    check_equal(reply["limits"]["max_flows"], FLOWS_OPEN, "limits")
    check(reply["hits"]["drop_acl_unlisted"] > 0, reply)
    test = json.loads(policy("test", GOOD4, "--json"))["test"]
    check_equal([(v["welcome"], v["prefix"]) for v in test["lists"]], [(True, "10.0.0.0/23")],
                "what becomes of the good client")
    check("192.0.2.1\nall services           kept out: not on the allow list" in
          policy("test", "192.0.2.1"), policy("test", "192.0.2.1"))
    check("open flows of all      8\n" in policy(), policy())
    policy("test", "192.0.2", ok=(2,))
    policy("test", ok=(2,))


def mistakes_are_named(env):
    with tempfile.NamedTemporaryFile("w") as bad:
        bad.write("10.0.0.0/8\n\n10.0.0.1/8\n")
        bad.flush()
        out = env.lab.run("server", WEIR, "run", "-i", env.lab.iface["server"], "--listen",
                          "*:9=discard", "--acl-deny", f"@{bad.name}", ok=(2,))
        check(f"{bad.name}:3: 10.0.0.1/8: bits are set behind its length: 10.0.0.0/8"
              in out.stderr, out.stderr)


need(FLOOD)
cases = Cases()
cases.group(limited, (denied_sources, syn_acks_to_a_prefix, syn_acks_to_all_others, unknown_acks,
                      flows_of_a_source, flows_a_second_of_a_source, a_list_of_one_service))
cases.group(listed, (unlisted_sources, all_flows, shown, mistakes_are_named))
sys.exit(cases.status())
