# SPDX-License-Identifier: BSD-2-Clause
"""
A lab on two real interfaces of a guest, with the interface of weirlab.Lab.

    with Nic(queues=2) as lab, Weir(lab, ["10.0.0.2:7=echo"]) as weir:
        lab.netclient("echo", 7, "--conns", 10)

The machine `nic` of vmtest has pairs of virtio-net devices whose two ends are joined
outside of the guest; they are known by their MAC, 02:77:00:00:QQ:01 (server) and :02
(client), QQ queues each. They live in the root namespace, which is not the one that
tests/run works in. Each is moved into a namespace of its own and comes back as it was:
settings, MTU and number of queues. If this process is killed, the kernel returns them
when the namespaces go.
"""
import contextlib
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
import weirlab  # noqa: E402
from labkit import BUILD, Failure  # noqa: E402

PAIRS = (1, 2, 4)  # queues
ADDRESSES = {"server": ("10.0.0.2", "fd00::2"), "client": ("10.0.0.1", "fd00::1")}
OTHER = {"server": "client", "client": "server"}
# What would leave frames unfinished for the gate: checksums and segmentation left to the
# device, VLAN tags kept beside the frame.
PLAIN = {"server": ("rxvlan", "txvlan"), "client": ("tx", "tso", "gso", "rxvlan", "txvlan")}
ROOT_PID = 1
LABS = "/run/weir-lab"  # where tools/lab keeps its records: weir-flood sends in labs alone

_labs = 0


def _output(*argv, ok=(0,)):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False,
                          timeout=60)
    if ok is not None and done.returncode not in ok:
        raise Failure(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return done.stdout


def mac(queues, end):
    return f"02:77:00:00:{queues:02x}:{1 if end == 'server' else 2:02x}"


def find(address, pid=ROOT_PID):
    """The interface with that address in the namespace of a process, or None."""
    links = json.loads(_output("nsenter", f"--net=/proc/{pid}/ns/net", "ip", "-j", "link") or "[]")
    for link in links:
        if link.get("address") == address:
            return link["ifname"]
    return None


def pairs():
    """The numbers of queues of which this machine has a pair."""
    return [q for q in PAIRS if find(mac(q, "server")) and find(mac(q, "client"))]


def need_nic():
    """Ends the program with 77 where there are no such devices."""
    weirlab.need()
    if not pairs():
        print("needs the devices of vmtest's machine nic", file=sys.stderr)
        sys.exit(77)


class Pair(weirlab.Lab):
    """A lab on any two interfaces that reach each other, in the namespace of a process."""

    def __init__(self, ends, home=ROOT_PID, mtu=1500, neighbours=False, offloads=False):
        """
        ends: {"server": IF, "client": IF}. neighbours: static ones, so that nothing is lost
        to resolution. offloads: the client's stay as they are.
        """
        super().__init__()
        global _labs
        _labs += 1
        self.name = f"{os.environ.get('WEIR_LAB', 'g')[:12]}{os.getpid()}-n{_labs}"
        self.ns = {end: f"{self.name}-{end[0]}" for end in ADDRESSES}
        self.iface, self.home = dict(ends), home
        self.mtu, self.neighbours, self.offloads = mtu, neighbours, offloads
        self.before, self.macs = {}, {}

    def __enter__(self):
        try:
            for end in ADDRESSES:
                self._take(end)
            for end in ADDRESSES:
                self._configure(end)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _take(self, end):
        ns, iface = self.ns[end], self.iface[end]
        os.makedirs(LABS, exist_ok=True)
        with open(f"{LABS}/{self.name}", "w", encoding="ascii") as f:
            f.write(f"pair={self.iface['server']},{self.iface['client']}\n")
        _output("sh", "-ec", f"ip netns add {ns}; nsenter --net=/proc/{self.home}/ns/net "
                f"ip link set dev {iface} netns {ns}")
        link = json.loads(self.ip(end, "-j", "link", "show", iface))[0]
        self.before[end] = {"features": self.features(end), "channels": self.channels(end),
                            "mtu": link["mtu"]}
        self.macs[end] = link["address"]

    def _configure(self, end):
        iface, (v4, v6) = self.iface[end], ADDRESSES[end]
        # Duplicate address detection would hold the addresses back for a second.
        lines = [f"sysctl -qw net.ipv6.conf.{iface}.accept_dad=0 net.ipv6.conf.{iface}.accept_ra=0"]
        if end == "server" or not self.offloads:
            lines += [f"ethtool -K {iface} {name} off 2>/dev/null || :" for name in PLAIN[end]]
        lines += ["ip link set lo up", f"ip link set {iface} mtu {self.mtu}",
                  f"ip addr add {v4}/24 dev {iface}", f"ip addr add {v6}/64 dev {iface} nodad",
                  f"ip link set {iface} up"]
        if end == "server":  # the answers to spoofed sources need a way back
            lines += [f"ip route add default via {ADDRESSES['client'][0]}",
                      f"ip -6 route add default via {ADDRESSES['client'][1]}"]
        if self.neighbours:
            lines += [f"ip neigh replace {address} lladdr {self.macs[OTHER[end]]} dev {iface} "
                      f"nud permanent" for address in ADDRESSES[OTHER[end]]]
        self.run(end, "sh", "-ec", "\n".join(lines))

    def __exit__(self, *_):
        for end, ns in self.ns.items():
            if not os.path.exists(f"/run/netns/{ns}"):
                continue
            with contextlib.suppress(Exception):
                self._restore(end)
            subprocess.run(["sh", "-c", f"ip -n {ns} link set dev {self.iface[end]} netns "
                            f"{self.home}; ip netns del {ns}"], stderr=subprocess.DEVNULL,
                           check=False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{LABS}/{self.name}")

    def _restore(self, end):
        before, iface = self.before[end], self.iface[end]
        lines = [f"ip link set {iface} down mtu {before['mtu']}"]
        if before["channels"] > 1:
            lines.append(f"ethtool -L {iface} combined {before['channels']}")
        now = self.features(end)
        lines += [f"ethtool -K {iface} {name} {value}"
                  for name, value in before["features"].items() if now.get(name) != value]
        self.run(end, "sh", "-c", "\n".join(lines), ok=None)

    def ip(self, end, *argv):
        return self.run(end, "ip", *argv).stdout

    def mac(self, end):
        return bytes.fromhex(self.macs[end].replace(":", ""))

    def features(self, end):
        """{name: on|off} of those that can be changed."""
        found = {}
        for line in self.run(end, "ethtool", "-k", self.iface[end]).stdout.splitlines():
            hit = re.match(r"\s*([a-z0-9-]+): (on|off)$", line)
            if hit:
                found[hit[1]] = hit[2]
        return found

    def channels(self, end):
        """The number of combined queues in use; 0: the device has no such setting."""
        said = self.run(end, "ethtool", "-l", self.iface[end], ok=None).stdout
        hits = re.findall(r"^Combined:\s+(\d+)", said, re.MULTILINE)
        return int(hits[-1]) if hits else 0

    def set_channels(self, end, queues, ok=(0,)):
        return self.run(end, "ethtool", "-L", self.iface[end], "combined", queues, ok=ok)

    def spread_interrupts(self):
        """
        Each of the server's queues interrupts a processor of its own, as an operator would have it. virtio-net
        sends a SYN-ACK by the queue of the processor that made it, and the host's tap device
        gives a flow's frames to the queue that its last answer left by: with the interrupts of
        two queues on processors 0 and 2 all flows would come in by one of them. Native XDP goes
        by the processor's number modulo the queues, generic by XPS: the processors here have
        the same queue by both.
        """
        device = os.path.basename(os.path.realpath(
            self.run("server", "readlink", "-f",
                     f"/sys/class/net/{self.iface['server']}/device").stdout.strip()))
        with open("/proc/interrupts", encoding="ascii") as f:
            for irq, queue in re.findall(rf"^\s*(\d+):.*\s{device}-input\.(\d+)$", f.read(),
                                         re.MULTILINE):
                with open(f"/proc/irq/{irq}/smp_affinity_list", "w", encoding="ascii") as where:
                    where.write(str(self._processor_of(int(queue))))

    def _processor_of(self, queue):
        cpus = [c for c in range(os.cpu_count()) if c % self.nqueues == queue % self.nqueues]
        mask = self.run("server", "cat", f"/sys/class/net/{self.iface['server']}/queues/tx-{queue}/"
                        "xps_cpus", ok=None).stdout.strip().replace(",", "")
        return next((c for c in cpus if int(mask or "0", 16) >> c & 1), cpus[0])

    def driver(self):
        said = self.run("server", "ethtool", "-i", self.iface["server"]).stdout
        return re.search(r"^driver: (\S+)", said, re.MULTILINE)[1]


class Nic(Pair):
    """A lab on the machine's pair with that number of queues."""

    def __init__(self, queues=1, **options):
        ends = {end: find(mac(queues, end)) for end in ADDRESSES}
        if None in ends.values():
            raise Failure(f"this machine has no pair of devices with {queues} queues")
        super().__init__(ends, **options)
        self.nqueues = queues
