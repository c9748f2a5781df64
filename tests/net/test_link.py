# SPDX-License-Identifier: BSD-2-Clause
"""
An interface that changes under a weir: down and up at either end, another MTU, without its
addresses for a while, renamed; gone, or moved to another namespace, which ends weir.
"""
# time-limit: 240
import contextlib
import glob
import os
import subprocess
import sys
import time

from rawtcp import SYN, RawPeer, Wire, mss
from weirlab import (NETCLIENT, SERVER6, Cases, Env, Lab, Weir, check, check_equal, need,
                     patience, scaled, serving, site, wait_until)

DOWN = 5
FILE = scaled(24 << 20)


def listen(root):
    return [f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}", "10.0.0.2:7=echo",
            "[fd00::2]:7=echo"]


@contextlib.contextmanager
def fixture():
    with site(file__bin=FILE) as root:
        with serving(listen(root), root=root, queues=2) as env:
            yield env


def ip(env, end, *args):
    env.lab.run(end, "ip", *args)


@contextlib.contextmanager
def download(env, rate=scaled(6 << 20), seconds=60):
    """A transfer that goes on during the block and arrives whole after it."""
    with env.lab.spawn("client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path", "/file.bin",
                       "--body", f"{env.root}/file.bin", "--rate", rate, "--time",
                       round(patience(seconds)),
                       stdout=subprocess.PIPE) as client:
        time.sleep(0.7)
        check(client.poll() is None, "the transfer was over too soon")
        yield
        out, _ = client.communicate(timeout=patience(seconds) + 5)
    check_equal(client.returncode, 0, f"the download: {out}")


def ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def weir_pid(env):
    return env.weir.proc.pid


def share_of_cpu(env, seconds):
    """How much of a core weir takes."""
    before, start = ticks(weir_pid(env)), time.monotonic()
    time.sleep(seconds)
    used = (ticks(weir_pid(env)) - before) / os.sysconf("SC_CLK_TCK")
    return used / (time.monotonic() - start)


def says(env, text, seconds=4):
    wait_until(lambda: text in env.weir.log(), seconds,
               lambda: f"“{text}” in the log: {env.weir.log()[-500:]}")


# ---- down and up ----------------------------------------------------------------


def give_back(env):
    """What the kernel takes with the link."""
    for end, n in (("server", 2), ("client", 1)):
        ip(env, end, "addr", "replace", f"fd00::{n}/64", "dev", env.lab.iface[end], "nodad")


def down_and_up(end):
    def case(env):
        iface = env.lab.iface[end]
        with env.lab.connect(7, timeout=40) as idle, env.lab.connect(7, timeout=40) as busy:
            for sock in (idle, busy):
                sock.sendall(b"before")
                check_equal(sock.recv(100), b"before", "echo")
            with download(env):
                ip(env, end, "link", "set", iface, "down")
                busy.sendall(b"meanwhile")
                says(env, "the link is down")
                used = share_of_cpu(env, DOWN)
                ip(env, end, "link", "set", iface, "up")
                give_back(env)
                says(env, "the link is up again")
            check(used < 0.5, f"{used:.2f} of a core while the link was down")
            check_equal(busy.recv(100), b"meanwhile", "echo")
            idle.sendall(b"after")
            check_equal(idle.recv(100), b"after", "echo")
        result = env.lab.netclient("echo", 7, "--conns", 10, "--bytes", 10000)
        check_equal(result["ok"], 10, result)

    case.label = f"down-and-up-at-the-{end}"
    return case


# ---- addresses --------------------------------------------------------------------


def without_addresses(env):
    """Connections go on by what they know of their peer; ARP is what new clients lack."""
    with env.lab.connect(7, timeout=20) as sock, env.lab.connect(7, SERVER6, timeout=20) as sock6:
        with download(env):
            ip(env, "server", "addr", "flush", "dev", "weir0")
            for s in (sock, sock6):
                s.sendall(b"no address")
                check_equal(s.recv(100), b"no address", "echo")
            time.sleep(1)
            ip(env, "server", "addr", "add", "10.0.0.2/24", "dev", "weir0")
            give_back(env)
        for server in ("10.0.0.2", SERVER6):
            result = env.lab.netclient("echo", 7, "--conns", 4, "--bytes", 10000, server=server)
            check_equal(result["ok"], 4, result)


# ---- the MTU ------------------------------------------------------------------------


def set_mtu(env, mtu, ends=("client", "server")):
    for end in ends:
        ip(env, end, "link", "set", env.lab.iface[end], "mtu", mtu)


def offered(env, port=7):
    """The MSS of our SYN-ACK."""
    with Wire(env.lab) as wire:
        peer = RawPeer(wire, port)
        peer.send(SYN, options=mss(65000), ack=0)
        answer = peer.expect(lambda seg: seg.flags & SYN, what="SYN-ACK")
        return int.from_bytes(answer.option(2), "big")


def mtu_becomes(mtu, served):
    def case(env):
        with env.lab.connect(7, timeout=20) as sock:
            with download(env, rate=scaled(12 << 20)):
                set_mtu(env, mtu)
                says(env, f"the MTU is {mtu} now")
            sock.sendall(b"x" * 3000)
            got = b""
            while len(got) < 3000:
                got += sock.recv(4000)
        check_equal(offered(env), served - 40, "MSS offered")
        check(env.lab.curl("http://10.0.0.2/file.bin") == env.body, "the file")
        check(env.lab.curl("-g", "http://[fd00::2]/file.bin") == env.body, "the file over IPv6")

    case.label = f"mtu-becomes-{mtu}"
    return case


@contextlib.contextmanager
def mtu_fixture():
    with fixture() as env:
        with open(f"{env.root}/file.bin", "rb") as f:
            env.body = f.read()
        yield env


# ---- names -------------------------------------------------------------------------


def renamed(env):
    """Served on under any name; the control socket keeps the one that it was opened by."""
    with env.lab.connect(7) as sock:
        try:
            ip(env, "server", "link", "set", "weir0", "name", "wier0")
        except Exception:  # before Linux 6.2 it has to be down for that
            for how in (("down",), ("name", "wier0")):
                ip(env, "server", "link", "set", "weir0", *how)
            ip(env, "server", "link", "set", "wier0", "up")
        says(env, "weir0: its name is wier0 now")
        sock.sendall(b"still")
        check_equal(sock.recv(10), b"still", "echo")
        check_equal(env.weir.status()["iface"], "wier0", "the name in the status")
        ip(env, "server", "link", "set", "wier0", "down")
        ip(env, "server", "link", "set", "wier0", "name", "weir0")
        ip(env, "server", "link", "set", "weir0", "up")
        says(env, "wier0: its name is weir0 now")
        sock.settimeout(patience(30))
        sock.sendall(b"again")
        check_equal(sock.recv(10), b"again", "echo")


# ---- gone ----------------------------------------------------------------------------


@contextlib.contextmanager
def ending(queues=2, args=()):
    """A weir with its usual control socket and work on its hands, which is to end by itself."""
    with site(file__bin=FILE) as root, Lab(queues=queues) as lab:
        env = Env(lab=lab, root=root, may_end=True)
        sockets = set(glob.glob("/run/weir/*.sock"))
        with Weir(lab, listen(root), *args) as env.weir:
            argv = env.weir.argv
            at = argv.index("--ctl")
            check_equal(env.weir.stop(), 0, "exit status")
            env.weir.argv = argv[:at] + argv[at + 2:]
            env.weir.start()
            with lab.connect(7) as sock:
                sock.sendall(b"x")
                check_equal(sock.recv(1), b"x", "echo")
                yield env
        check_equal(set(glob.glob("/run/weir/*.sock")) - sockets, set(), "control sockets left")


def ends_soon(env, why):
    """Status 1, its reason said, and no core taken by it while it found out."""
    pid, start = weir_pid(env), ticks(weir_pid(env))
    status = None
    deadline = time.monotonic() + patience(10)
    used = 0
    while status is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, IndexError):
            used = ticks(pid) - start
        status = env.weir.proc.poll()
        time.sleep(0.02)
    check_equal(status, 1, f"exit status; log: {env.weir.log()[-400:]}")
    check(why in env.weir.log(), f"“{why}”: {env.weir.log()[-400:]}")
    check(used < os.sysconf("SC_CLK_TCK"), f"{used} ticks of CPU until it ended")


def peer_deleted(*args):
    def case(_):
        with ending(args=args) as env, env.lab.spawn(
                "client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path", "/file.bin", "--body",
                f"{env.root}/file.bin", "--rate", 4 << 20, "--time", 5, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL):
            time.sleep(0.3)
            ip(env, "client", "link", "del", "weir1")
            ends_soon(env, "weir0 has gone")

    case.label = "-".join(("peer-deleted",) + args).replace("---", "-")
    return case


def deleted(_):
    with ending() as env:
        ip(env, "server", "link", "del", "weir0")
        ends_soon(env, "weir0 has gone")


def moved_to_another_namespace(_):
    """The gate would go with it, answering SYNs that nobody serves."""
    with ending() as env:
        ip(env, "server", "link", "set", "weir0", "netns", env.lab.ns["client"])
        ends_soon(env, "weir0 is in another network namespace now")
        link = env.lab.run("client", "ip", "-d", "link", "show", "weir0").stdout
        check("prog/xdp" not in link, f"a program on it: {link}")
        ip(env, "client", "link", "del", "weir0")


need()
cases = Cases()
cases.group(fixture, (down_and_up("server"), down_and_up("client"), without_addresses, renamed))
cases.group(mtu_fixture, (mtu_becomes(1300, 1300), mtu_becomes(1500, 1500),
                          mtu_becomes(2800, 1500)))
cases.group(contextlib.nullcontext, (peer_deleted(), peer_deleted("--busy-poll"),
                                     peer_deleted("--xdp-mode", "generic"), deleted,
                                     moved_to_another_namespace))
sys.exit(cases.status())
