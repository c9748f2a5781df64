# SPDX-License-Identifier: BSD-2-Clause
"""
A lab with a path between its two ends that can be made as bad as wanted.

     NAME-s             NAME-m                          NAME-c
     weir0  <=======>   srv - bridge - cli   <=======>  weir1
     10.0.0.2, fd00::2                                  10.0.0.1, fd00::1

    with Path() as path:
        path.impair("up", "netem loss 5% delay 20ms")    # from the client to the server
        path.impair("down", "tbf rate 10mbit burst 5k limit 30k", "fq_codel ecn")

Otherwise it is a Lab of weirlab. What AF_XDP sends in copy mode passes its own device's
qdiscs by, so they are in the middle, on the way out to the other end; each is the only one of
its direction. The ends know each other's Ethernet address for good: ARP is no test's matter.
No end leaves a checksum or a cut to a device, so that a frame here is a frame on a wire.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from weirlab import (BUILD, CLIENT4, CLIENT6, SERVER4, SERVER6, Failure, Lab,  # noqa: E402
                     need)

WPEER = f"{BUILD}/tests/guest/wpeer"

MAC = {"server": "02:00:00:00:00:02", "client": "02:00:00:00:00:01"}
ADDRS = {"server": (SERVER4, SERVER6), "client": (CLIENT4, CLIENT6)}
IFACE = {"server": "weir0", "client": "weir1"}
LEADS_TO = {"up": "srv", "down": "cli"}
FAR = {"server": "client", "client": "server"}


class Path(Lab):
    """The lab of three namespaces; `queues` of the server's end and its peer."""

    control = None  # congestion control of the kernel's sockets in streams.py

    def __enter__(self):
        queues, mtu = (self.args[self.args.index(o) + 1] for o in ("--queues", "--mtu"))
        self.ns = {"server": f"{self.name}-s", "client": f"{self.name}-c",
                   "middle": f"{self.name}-m"}
        self.iface = dict(IFACE)
        try:
            self._make(queues, mtu)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for ns in self.ns.values():
            pids = subprocess.run(["ip", "netns", "pids", ns], capture_output=True, text=True,
                                  check=False).stdout.split()
            if pids:
                subprocess.run(["kill", "-KILL", *pids], check=False)
        for end, ns in self.ns.items():
            if end != "middle":  # so that the pairs are gone when this returns
                subprocess.run(["ip", "-n", ns, "link", "del", IFACE[end]], check=False,
                               capture_output=True)
            subprocess.run(["ip", "netns", "del", ns], check=False, capture_output=True)

    def _ip(self, end, *lines):
        self._tool("ip", "-n", self.ns[end], "-batch", "-", lines=lines)

    def _tool(self, *argv, lines=()):
        done = subprocess.run(argv, input="\n".join(lines), capture_output=True, text=True,
                              check=False, timeout=60)
        if done.returncode:
            raise Failure(f"{' '.join(argv)}: {done.stderr.strip()}: {lines}")
        return done.stdout

    def _make(self, queues, mtu):
        for ns in self.ns.values():
            self._tool("ip", "netns", "add", ns)
            self._tool("ip", "netns", "exec", ns, "sysctl", "-qw",
                       "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                       "net.ipv6.conf.default.accept_ra=0",
                       # What one connection met is not to be the next one's RTO.
                       "net.ipv4.tcp_no_metrics_save=1")
        self._ip("middle", "link set lo up",
                 "link add br0 type bridge stp_state 0 mcast_snooping 0",
                 *(f"link add {port} mtu {mtu} numtxqueues {n} numrxqueues {n} type veth peer name "
                   f"{IFACE[end]} address {MAC[end]} netns {self.ns[end]} mtu {mtu} "
                   f"numtxqueues {n} numrxqueues {n}"
                   for port, end, n in (("srv", "server", queues), ("cli", "client", 1))))
        for end in IFACE:
            self._end(end)
        for port in LEADS_TO.values():
            self._offloads("middle", port)
            self._ip("middle", f"link set {port} master br0",
                     f"link set dev {port} xdpdrv obj {BUILD}/bpf/lab_pass.bpf.o sec xdp.frags",
                     f"link set {port} up")
        self._ip("middle", "link set br0 up")

    def _end(self, end):
        self._offloads(end, IFACE[end])
        far = FAR[end]
        lines = ["link set lo up"]
        for mine, theirs, bits in zip(ADDRS[end], ADDRS[far], (24, 64)):
            nodad = " nodad" if bits == 64 else ""
            lines.append(f"addr add {mine}/{bits} dev {IFACE[end]}{nodad}")
            lines.append(f"neigh add {theirs} lladdr {MAC[far]} dev {IFACE[end]} nud permanent")
        self._ip(end, f"link set {IFACE[end]} up", *lines)

    def _offloads(self, end, iface):
        self._tool("ip", "netns", "exec", self.ns[end], "ethtool", "-K", iface, "tx", "off", "tso",
                   "off", "gso", "off", "gro", "off", "rxvlan", "off", "txvlan", "off")

    # ---- what is done to the frames ------------------------------------------------

    def impair(self, way, qdisc, below=None):
        """`up`: what the client sends, `down`: what it gets. below: a child of that qdisc."""
        self.clear(way)
        port = LEADS_TO[way]
        self._tc(f"qdisc add dev {port} root handle 1: {qdisc}")
        if below:
            self._tc(f"qdisc add dev {port} parent 1:1 handle 10: {below}")

    def both_ways(self, qdisc, below=None):
        for way in LEADS_TO:
            self.impair(way, qdisc, below)

    def clear(self, *ways):
        for way in ways or LEADS_TO:
            if self.seen(way):
                self._tc(f"qdisc del dev {LEADS_TO[way]} root")

    def seen(self, way):
        """What the qdiscs of a direction have counted, by kind."""
        shown = self._tool("tc", "-n", self.ns["middle"], "-s", "-j", "qdisc", "show", "dev",
                           LEADS_TO[way])
        return {q["kind"]: q for q in json.loads(shown) if q["kind"] != "noqueue"}

    def _tc(self, line):
        self._tool("tc", "-n", self.ns["middle"], *line.split())


def need_netem():
    """Ends the program with 77 where the kernel has no netem."""
    need(WPEER)
    name = f"{os.environ.get('WEIR_LAB', 't')[:12]}{os.getpid()}-x"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        done = subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem"],
                              capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    if done.returncode:
        print(f"the kernel has no netem: {done.stderr.strip()}", file=sys.stderr)
        sys.exit(77)
