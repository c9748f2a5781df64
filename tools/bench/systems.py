# SPDX-License-Identifier: BSD-2-Clause
"""
The systems that answer SYNs, each in a lab of its own, all up at once and measured in turn.

Every one of them serves the same: sized responses (include/weir/sized.h) on port 80 of both
families, by one worker or one server thread on the server's CPU.

Where things run, the same for all: the flood is sent on FLOOD_CPU, and that CPU also bears
whatever the receiver does below its sockets: weir's gate, the kernel's listener, conntrack and
synproxy. The server (weir's worker, the kernel's epoll loop) and the legitimate client share
SERVER_CPU. So the flood takes the server's program no time by itself, and what a client still gets
is what the path below has left for it.

A veth pair has no interrupt that could be bound to a CPU: its NAPI runs where somebody sent while
it was idle, so a client on SERVER_CPU takes it over now and then, with the whole flood, and the
generator on the other CPU then fills the ring of 256 frames many times faster than it is emptied.
Where clients and a flood are measured together, bind_napi() therefore gives either end the
equivalent of an interrupt that is bound to FLOOD_CPU: threaded NAPI, on that CPU, ahead of the
generator, which stops for it after each of its batches.
"""
import contextlib
import json
import os
import shutil

from bench import Failure

FLOOD_CPU, SERVER_CPU = 0, 1
TARGET4, TARGET6 = "10.0.0.2:80", "[fd00::2]:80"
CLIENTS = 64  # more addresses for the client: ports in TIME_WAIT must not end a measurement
CLIENT_SOURCES = f"10.0.0.10-10.0.0.{10 + CLIENTS - 1}"

# Untracked SYNs are answered by synproxy; the ACK that brings its cookie back makes the entry.
SYNPROXY = """
table inet bench {
	chain raw {
		type filter hook prerouting priority raw
		tcp dport 80 tcp flags & (fin | syn | rst | ack) == syn notrack
	}
	chain input {
		type filter hook input priority filter
		tcp dport 80 ct state { invalid, untracked } synproxy mss 1460 wscale 7 timestamp sack-perm
		tcp dport 80 ct state invalid drop
	}
}
"""

# An ACK from nowhere is not let in as the middle of a connection; and connections that are over do
# not fill the table, whose size is the whole machine's.
CONNTRACK = ("tcp_loose=0", "tcp_timeout_time_wait=1", "tcp_timeout_close=1",
             "tcp_timeout_fin_wait=5", "tcp_timeout_last_ack=5", "tcp_timeout_close_wait=5")


class System:
    def __init__(self, name, lab, weir=None):
        self.name, self.lab, self.weir = name, lab, weir


@contextlib.contextmanager
def base(ctx, name):
    with ctx.lab(clients=CLIENTS) as lab:
        # What the kernel of the client's end is asked must not be what is measured.
        neighbour(lab, "client", "server", ("10.0.0.2", "fd00::2"))
        yield System(name, lab)


def neighbour(lab, end, other, addresses):
    mac = lab.mac(other)
    mac = ":".join(f"{b:02x}" for b in mac)
    for address in addresses:
        lab.run(end, "ip", "neigh", "replace", address, "lladdr", mac, "dev", lab.iface[end],
                "nud", "permanent")


@contextlib.contextmanager
def reflector(ctx):
    """Swaps the addresses and sends the frame back: the ceiling of all that answers."""
    with base(ctx, "reflector") as system:
        attach(system.lab, f"{ctx.build}/bpf/reflect.bpf.o", "xdp")
        yield system


@contextlib.contextmanager
def weir(ctx, *args):
    with base(ctx, "weir") as system:
        with ctx.weir(system.lab, [f"{TARGET4}=sized", f"{TARGET6}=sized"], *args,
                      cpu=SERVER_CPU) as system.weir:
            yield system


@contextlib.contextmanager
def kernel(ctx, name, **sysctls):
    """The kernel's listener with these settings of net.ipv4."""
    with base(ctx, name) as system:
        system.lab.sysctl("server", **sysctls)
        with ctx.kserver(system.lab, "sized", TARGET4, cpu=SERVER_CPU), \
                ctx.kserver(system.lab, "sized", TARGET6, cpu=SERVER_CPU):
            yield system


def cookies1(ctx):
    return kernel(ctx, "syncookies=1", tcp_syncookies=1)


def cookies2(ctx):
    return kernel(ctx, "syncookies=2", tcp_syncookies=2)


@contextlib.contextmanager
def synproxy(ctx):
    """nftables synproxy before the kernel's listener."""
    if not shutil.which("nft"):
        raise Failure("nft is missing; install the package nftables (make deps)")
    with kernel(ctx, "nft synproxy") as system:
        system.lab.run("server", "nft", SYNPROXY)
        system.lab.run("server", "sysctl", "-qw", *(f"net.netfilter.nf_conntrack_{s}"
                                                    for s in CONNTRACK))
        yield system


@contextlib.contextmanager
def peer(ctx):
    """--peer-xdp: another program, before the kernel's listener."""
    options = ctx.options
    with kernel(ctx, "peer") as system:
        attach(system.lab, os.path.abspath(options.peer_xdp), options.peer_section)
        if options.peer_setup:
            system.lab.run("server", os.path.abspath(options.peer_setup),
                           system.lab.iface["server"], 80)
        yield system


def napi_threads():
    """Processes of threaded NAPI of labs' interfaces."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                if f.read().startswith("napi/weir"):
                    found.add(int(pid))
    return found


def bind_napi(lab):
    """What either end receives is worked on by FLOOD_CPU alone, before anything else there."""
    before = napi_threads()
    for end, iface in lab.iface.items():
        lab.run(end, "sh", "-c", f"echo 1 >/sys/class/net/{iface}/threaded")
    new = napi_threads() - before
    if len(new) < len(lab.iface):
        raise Failure("the kernel made no NAPI threads; it needs Linux 5.12")
    for pid in new:
        os.sched_setaffinity(pid, {FLOOD_CPU})
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))


def has_peer(ctx):
    return bool(getattr(ctx.options, "peer_xdp", None))


def attach(lab, path, section):
    if not os.access(path, os.R_OK):
        raise Failure(f"{path} is missing")
    lab.run("server", "ip", "link", "set", "dev", lab.iface["server"], "xdpdrv", "obj", path,
            "sec", section)
    link = json.loads(lab.run("server", "ip", "-j", "link", "show", lab.iface["server"]).stdout)
    if "xdp" not in link[0]:
        raise Failure(f"{path} is not attached")


@contextlib.contextmanager
def up(ctx, case, makers, bind=False):
    """{name: System} of all that come up, with bind_napi() or not; those that do not are failed."""
    with contextlib.ExitStack() as stack:
        systems = {}
        for make in makers:
            try:
                system = stack.enter_context(make(ctx))
                if bind:
                    bind_napi(system.lab)
                systems[system.name] = system
            except Exception as e:
                ctx.fail(case, make.__name__, e if isinstance(e, Failure) else repr(e))
        yield systems
