# SPDX-License-Identifier: BSD-2-Clause
"""
Weirs that share keys: a clock for each that a test sets, and a fleet of two nodes behind a
spreader.

    namespace c (client)       namespace r (spreader)        namespaces 1, 2 (nodes)
    c0  10.1.0.1/24  <====>  r0 10.1.0.254   r1 10.2.1.254  <====>  weir0  10.2.1.1/24
                                             r2 10.2.2.254  <====>  weir0  10.2.2.1/24
                                                            each with the address 10.9.0.1

The spreader routes 10.9.0.1 to either node, as a router with two equal routes does. Which
node a frame goes to is a rule of Fleet.spread(); ECMP proper is Fleet.ecmp().
"""
import json
import os
import struct
import subprocess
import tempfile
import time

from weirlab import BUILD, WEIR, Failure, Lab, Weir, check_equal, patience

PRELOAD = f"{BUILD}/tests/net/libclock.so"
EPOCH_MS = 1 << 14
ANYCAST = "10.9.0.1"


def iso(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Clock:
    """Shown to what runs in its environment. It begins `before_edge` seconds before an epoch does."""

    def __init__(self, before_edge=6.0, ahead_ms=0, like=None):
        fd, self.path = tempfile.mkstemp(prefix="weir-clock-")
        os.close(fd)
        if like:
            self.base, self.mono = like.base, like.mono
        else:
            edge = (time.time_ns() // 1000000 // EPOCH_MS + 2) * EPOCH_MS
            self.base, self.mono = round(edge - before_edge * 1000), mono_ms()
        self.ahead_ms = ahead_ms
        self.write()

    def write(self):
        with open(self.path, "r+b") as f:
            f.write(struct.pack("qq", self.base + self.ahead_ms, self.mono))

    def now_ms(self):
        return self.base + self.ahead_ms + mono_ms() - self.mono

    def now(self):
        return self.now_ms() / 1000

    def env(self):
        return ["env", f"LD_PRELOAD={PRELOAD}", f"TEST_CLOCK={self.path}"]

    def weir(self, *args, ok=(0,)):
        """A weir command by this clock, on the machine."""
        done = subprocess.run([*self.env(), WEIR, *map(str, args)], capture_output=True, text=True,
                              check=False, timeout=patience(20))
        if ok is not None and done.returncode not in ok:
            raise Failure(f"weir {args}: status {done.returncode}, {done.stderr.strip()}")
        return done

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.unlink(self.path)


def mono_ms():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000


class ClockWeir(Weir):
    """A weir with a clock of its own."""

    def __init__(self, lab, listen, clock, *args):
        super().__init__(lab, listen, *args)
        self.clock = clock
        self.argv = clock.env() + self.argv

    def key(self, *args, ok=(0,)):
        """weir key ... in the node's namespace."""
        argv = self.lab.argv("server", *self.clock.env(), WEIR, "key", *args)
        done = subprocess.run(argv, capture_output=True, text=True, check=False,
                              timeout=patience(20))
        if ok is not None and done.returncode not in ok:
            raise Failure(f"weir key {args}: status {done.returncode}, {done.stderr.strip()}")
        return done

    def keys(self):
        reply = json.loads(self.key("status", "--ctl", self.ctl, "--json").stdout)
        check_equal(reply["version"], 1, "version")
        return reply


def key_file(path, *keys, mtu=1500, wscale=7):
    """Keys as (id, accept_from, issue_from, retire_at or None, secret as a number)."""
    lines = ["weir-key 2", f"mtu {mtu}", f"wscale {wscale}"]
    for ident, accept, issue, retire, secret in keys:
        lines.append(f"key {ident} accept_from {iso(accept)} issue_from {iso(issue)} retire_at "
                     f"{iso(retire) if retire else 'never'} secret {secret:016x} {~secret & (1 << 64) - 1:016x}")
    tmp = f"{path}.tmp"
    with open(os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write("\n".join(lines) + "\n")
    os.rename(tmp, path)


class Node(Lab):
    """One of a fleet's, as the server's end of a lab."""

    def __init__(self, fleet, number):
        self.name = f"{fleet.name}-{number}"
        self.ns = {"server": self.name, "client": fleet.ns["client"]}
        self.iface = {"server": "weir0", "client": "c0"}
        self.address = f"10.2.{number}.1"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Fleet(Lab):
    """A client, a spreader, two nodes; one address."""

    def __init__(self):
        super().__init__()
        self.name = self.name.replace("-", "f", 1)
        self.ns = {end: f"{self.name}-{short}" for end, short in
                   (("client", "c"), ("spreader", "r"), (1, "1"), (2, "2"))}
        self.iface = {"client": "c0"}

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        self.nodes = [Node(self, 1), Node(self, 2)]
        return self

    def __exit__(self, *_):
        for ns in self.ns.values():
            if not os.path.exists(f"/run/netns/{ns}"):
                continue
            pids = subprocess.run(["ip", "netns", "pids", ns], capture_output=True, text=True,
                                  check=False).stdout.split()
            for pid in pids:
                subprocess.run(["kill", pid], check=False)
            subprocess.run(["ip", "netns", "del", ns], check=False)

    def build(self):
        for ns in self.ns.values():
            self._ip(None, "netns", "add", ns)
            self._ip(ns, "link", "set", "lo", "up")
        self.pair("client", "c0", "10.1.0.1", "r0", "10.1.0.254")
        self._ip(self.ns["client"], "route", "add", "default", "via", "10.1.0.254")
        for n in (1, 2):
            self.pair(n, "weir0", f"10.2.{n}.1", f"r{n}", f"10.2.{n}.254")
            self._ip(self.ns[n], "addr", "add", f"{ANYCAST}/32", "dev", "weir0")
            self._ip(self.ns[n], "route", "add", "default", "via", f"10.2.{n}.254")
            # XDP_TX of the node's end reaches only a peer with a program.
            self._ip(self.ns["spreader"], "link", "set", "dev", f"r{n}", "xdpdrv", "obj",
                     f"{BUILD}/bpf/lab_pass.bpf.o", "sec", "xdp.frags")
            table = str(100 + n)
            self._ip(self.ns["spreader"], "route", "add", ANYCAST, "via", f"10.2.{n}.1", "table",
                     table)
            self._ip(self.ns["spreader"], "rule", "add", "fwmark", str(n), "table", table)
        for name, value in (("ip_forward", 1), ("conf.all.rp_filter", 0),
                            ("conf.default.rp_filter", 0), ("conf.r1.rp_filter", 0),
                            ("conf.r2.rp_filter", 0), ("conf.r0.rp_filter", 0),
                            ("fib_multipath_hash_policy", 1)):
            self.run("spreader", "sysctl", "-qw", f"net.ipv4.{name}={value}")

    def pair(self, end, name, address, peer, peer_address):
        self._ip(None, "link", "add", name, "netns", self.ns[end], "type", "veth", "peer", "name",
                 peer, "netns", self.ns["spreader"])
        for ns, dev, addr in ((self.ns[end], name, address),
                              (self.ns["spreader"], peer, peer_address)):
            self._ip(ns, "addr", "add", f"{addr}/24", "dev", dev)
            self._ip(ns, "link", "set", dev, "up")
            on = "on" if dev == "weir0" else "off"
            subprocess.run(["ip", "netns", "exec", ns, "ethtool", "-K", dev, "tx", "off", "tso",
                            "off", "gso", "off", "gro", on], check=True, capture_output=True)

    @staticmethod
    def _ip(ns, *args):
        argv = ["ip", *(["-n", ns] if ns else []), *args]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{' '.join(argv)}: {done.stderr.strip()}")

    HASH = "jhash ip saddr . tcp sport mod 2 seed 0x77656972 offset 1"
    RULES = {
        "node 1": "meta mark set 1",
        "node 2": "meta mark set 2",
        # A flow to one node, as a router does that hashes.
        "flows": f"meta mark set {HASH}",
        # The SYN to one, all else to the other: every handshake is finished elsewhere.
        "crossed 1-2": "meta mark set 2; tcp flags & (syn|ack) == syn meta mark set 1",
        "crossed 2-1": "meta mark set 1; tcp flags & (syn|ack) == syn meta mark set 2",
        # Every SYN to any node, all else by its flow: as while routes change all the time.
        "mixed": f"meta mark set {HASH}; tcp flags & (syn|ack) == syn meta mark set "
                 "numgen random mod 2 offset 1",
    }

    def spread(self, rule):
        """From now on, by that rule."""
        rules = "\n".join(f"add rule ip spread pre ip daddr {ANYCAST} ip protocol tcp {part.strip()}"
                          for part in self.RULES[rule].split(";"))
        text = ("add table ip spread\ndelete table ip spread\nadd table ip spread\n"
                "add chain ip spread pre { type filter hook prerouting priority -150; }\n" + rules)
        done = subprocess.run(["ip", "netns", "exec", self.ns["spreader"], "nft", "-f", "-"],
                              input=text + "\n", text=True, capture_output=True, check=False)
        if done.returncode:
            raise Failure(f"nft: {done.stderr.strip()}")

    def ecmp(self, *nodes):
        """A route with these nodes as next hops, and no other rule."""
        self.run("spreader", "nft", "flush", "ruleset")
        hops = [word for n in nodes for word in ("nexthop", "via", f"10.2.{n}.1", "dev", f"r{n}")]
        self._ip(self.ns["spreader"], "route", "replace", ANYCAST, *hops)
