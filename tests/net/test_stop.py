# SPDX-License-Identifier: BSD-2-Clause
"""
A worker that stands still (SIGSTOP): within two seconds SYNs go unanswered, since a
client must not be welcomed into a hang; what was established goes on afterwards.
"""
import contextlib
import signal
import subprocess
import sys
import time

from rawtcp import SYN, RawPeer, Wire, mss
from weirlab import NETCLIENT, check, check_equal, patience, run, scaled, serving, site

STOPPED = 4


@contextlib.contextmanager
def fixture():
    with site(file__bin=scaled(40 << 20)) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], root=root) as env:
            yield env


@contextlib.contextmanager
def stopped(env):
    env.weir.proc.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        env.weir.proc.send_signal(signal.SIGCONT)


def syns_go_unanswered(env):
    before = env.weir.counters()
    with Wire(env.lab) as wire:
        with stopped(env):
            time.sleep(2.5)
            wire.drain()
            peers = [RawPeer(wire, 7) for _ in range(5)]
            for peer in peers:
                peer.send(SYN, options=mss(1460), ack=0)
            wire.silence(lambda seg: seg.flags & SYN, 0.5, "a SYN-ACK from a stopped weir")
        time.sleep(0.5)
        after = env.weir.counters()
        check(after["drop_heartbeat"] - before["drop_heartbeat"] >= 5,
              f"drop_heartbeat: {after['drop_heartbeat']}")
        peer = RawPeer(wire, 7)
        peer.connect()
        peer.reset()


def transfer_goes_on(env):
    """Data under way when the worker stops arrives whole once it goes on."""
    with env.lab.spawn("client", NETCLIENT, "slowread", "10.0.0.2", 80,
                       "--path", "/file.bin", "--body", f"{env.root}/file.bin", "--rate",
                       scaled(20 << 20), "--time", round(patience(40)), stdout=subprocess.PIPE) as client:
        time.sleep(0.5)
        check(client.poll() is None, "the transfer was over too soon")
        with stopped(env):
            time.sleep(STOPPED)
        out, _ = client.communicate(timeout=patience(45))
    check(client.returncode == 0, out)


def echo_goes_on(env):
    with env.lab.connect(7, timeout=15) as sock:
        with stopped(env):
            sock.sendall(b"said while it stood still")
            time.sleep(3)
        check_equal(sock.recv(100), b"said while it stood still", "echo")


def connect_waits(env):
    """A client that came meanwhile gets in by its SYN's retransmission."""
    with stopped(env):
        time.sleep(2.5)
        sock = env.lab.socket(2, 1)
        sock.settimeout(patience(10))
        sock.setblocking(False)
        sock.connect_ex(("10.0.0.2", 7))
        time.sleep(0.3)
    with sock:
        sock.settimeout(patience(10))
        deadline = time.monotonic() + patience(8)
        while sock.connect_ex(("10.0.0.2", 7)) not in (0, 106):  # EISCONN
            check(time.monotonic() < deadline, "connected after the stop")
            time.sleep(0.1)
        sock.sendall(b"late")
        check_equal(sock.recv(10), b"late", "echo")


sys.exit(run(fixture, syns_go_unanswered, transfer_goes_on, echo_goes_on, connect_waits))
