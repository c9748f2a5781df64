# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 180
"""
What weir finds on veth and on virtio-net, each found by doing it and said as a fact.

A refusal is a fact, not a failure; a device and mode on which weir does not serve a client
is a failure.
"""
import contextlib
import json
import re
import sys

from guestlab import Nic, need_nic, pairs
from niccases import LIGHT
from weirlab import (FLOOD, SERVER6, WEIR, Cases, Failure, Lab, Weir, check, patience, site,
                     wait_until)

LISTEN = ("10.0.0.2:7=echo", "[fd00::2]:7=echo")


class Probe:
    """One device, one number of queues, one mode."""

    def __init__(self, lab, driver, queues, mode, flood):
        self.lab, self.mode, self.flood_args = lab, mode, flood
        self.device = f"{driver}/{queues}q/{mode}"

    def fact(self, feature, value):
        print(f"fact {self.device} {feature} {' '.join(str(value).split())}", flush=True)

    def weir(self, *args, root=None):
        listen = list(LISTEN) + ([f"10.0.0.2:80=http:{root}"] if root else [])
        return Weir(self.lab, listen, "--xdp-mode", self.mode, "--log-level", "info", *LIGHT, *args)

    def refusal(self, *args):
        """What `weir run` says when it does not run; None: it does, and is ended."""
        try:
            with self.weir(*args):
                return None
        except Failure as e:
            hit = re.search(r"weir run: (.*)", str(e))
            return hit[1] if hit else str(e)

    def whole(self):
        """attach, af-xdp, zero-copy, echo, bursts, syn-flood by one weir."""
        why = self.refusal()
        self.fact("attach", f"refused: {why}" if why else "works")
        if why:
            self.fact("echo", f"fails: {why}")
            raise Failure(why)
        with site(file__bin=400000) as root, self.weir("--bursts", "on", root=root) as weir:
            self.fact("af-xdp", weir.xsk.replace("zerocopy", "zero-copy"))
            self.zero_copy(weir)
            try:
                self.echo()
            except Failure as e:
                self.fact("echo", f"fails: {e}")
                raise
            self.fact("echo", "works")
            self.fact("bursts", self.bursts(weir))
            self.fact("syn-flood", self.flood(weir))

    def zero_copy(self, weir):
        said = weir.status()["zero_copy"]
        self.fact("zero-copy", said.replace("not tried: ", "refused: "))

    def echo(self):
        for server in ("10.0.0.2", SERVER6):
            result = self.lab.netclient("echo", 7, "--conns", 16, "--bytes", 3000, server=server)
            check(result["ok"] == 16, result)

    def bursts(self, weir):
        check(len(self.lab.curl("http://10.0.0.2/file.bin")) == 400000, "bytes of the file")
        wait_until(lambda: weir.counter("worker_tx_frames") > 250, 3, "frames counted")
        counters = weir.counters()
        if counters["tx_bursts"] and not counters["tx_burst_failed"]:
            return "works"
        said = re.search(r"frame by frame: (.*)", weir.log())
        return f"refused: {said[1] if said else counters['tx_burst_failed']}"

    def flood(self, weir):
        done = self.lab.run("client", FLOOD, "-i", self.lab.iface["client"], "--dst", "10.0.0.2:7",
                            "--rate", 1000, "--seconds", 2, "--json", *self.flood_args, ok=None,
                            timeout=patience(20))
        if done.returncode:
            return f"refused: {done.stderr.strip()[-200:]}"
        sent, got = json.loads(done.stdout)["sent"], weir.counter("syn_answered")
        self.echo()
        return "works" if got > sent / 2 else f"fails: {got} answers to {sent} SYNs"

    def multi_buffer(self):
        """
        Frames larger than a buffer. Native: by the MTU, which weir refuses. Generic: by a
        sender that leaves segmentation to its device; None: this device's never does.
        """
        if self.mode == "native":
            self.lab.run("server", "ip", "link", "set", self.lab.iface["server"], "mtu", 9000)
            why = self.refusal()
            self.lab.run("server", "ip", "link", "set", self.lab.iface["server"], "mtu", 1500)
            return f"refused: {why}" if why else "works"
        iface = self.lab.iface["client"]
        self.lab.run("client", "ethtool", "-K", iface, "tx", "on", "tso", "on", "gso", "on", ok=None)
        # Else Linux makes them the smaller the longer the round trip: two MSS in a slow guest.
        self.lab.sysctl("client", tcp_tso_rtt_log=30)
        try:
            with self.weir("--accept-partial-csum") as weir, self.lab.connect(7) as sock:
                return self.super_packets(weir, sock)
        finally:
            self.lab.run("client", "ethtool", "-K", iface, "tx", "off", "tso", "off", ok=None)

    def super_packets(self, weir, sock):
        """Ten writes of 20 kB, each echoed before the next: so many frames, or far more."""
        sock.settimeout(patience(6))
        for _ in range(10):
            sock.sendall(bytes(20000))
            left = 20000
            while left:
                part = sock.recv(left)
                check(part, "the stream ended")
                left -= len(part)
            if self.dropped(weir):
                return "refused: frames larger than a buffer are dropped"
        if weir.counter("worker_rx_frames") >= 200000 / 1460:
            return None  # all of them were cut to the MTU on the way
        return "works"

    @staticmethod
    def dropped(weir):
        counters = weir.counters()
        return counters["xsk_rx_dropped"] - counters["xsk_fill_empty"] > 0


def probe(cases, lab, driver, queues, flood):
    for mode in ("native", "generic"):
        one = Probe(lab, driver, queues, mode, flood)

        def works(_, one=one):
            one.whole()

        def large(_, one=one):
            value = one.multi_buffer()
            if value:
                one.fact("multi-buffer", value)

        works.label = f"{driver}-{queues}q-{mode}"
        large.label = works.label + "-large-frames"
        for case in (works, large):
            cases.one(case, lab)


@contextlib.contextmanager
def veth(queues):
    with Lab(queues=queues) as lab:
        yield lab


need_nic()
all_cases = Cases()
for n in (1, 2):
    with veth(n) as on_veth:
        probe(all_cases, on_veth, "veth", n, ())
for n in pairs():
    with Nic(n, neighbours=True) as nic:
        probe(all_cases, nic, nic.driver(), n, ("--backend", "xsk"))
sys.exit(all_cases.status())
