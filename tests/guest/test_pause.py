# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 300
"""
weir stands still (SIGSTOP) for half a minute with connections in flight: longer than a cookie's
epoch and than many a peer's patience, so in guests, where a minute more is nothing.
"""
import contextlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from rawtcp import ACK, RawPeer, Wire  # noqa: E402
from weirlab import (NETCLIENT, check_equal, patience, run, serving, site,  # noqa: E402
                     wait_until)

STOPPED = 30
FRAMES = 6000  # more than a receive ring holds
LOST = ("xsk_rx_ring_full", "xsk_fill_empty", "xsk_rx_dropped")


@contextlib.contextmanager
def fixture():
    with site(file__bin=4 << 20) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], root=root) as env:
            yield env


def half_a_minute(env):
    before = env.weir.counters()
    with Wire(env.lab) as wire, env.lab.connect(7, timeout=60) as idle, \
            env.lab.connect(7, timeout=60) as busy, env.lab.spawn(
                "client", NETCLIENT, "slowread", "10.0.0.2", 80, "--path", "/file.bin", "--body",
                f"{env.root}/file.bin", "--rate", 1 << 20, "--time", round(STOPPED + patience(60)),
                stdout=subprocess.PIPE) as client:
        peer = RawPeer(wire, 7)
        peer.connect()
        wait_until(lambda: len(env.weir.conns("ESTABLISHED")) == 4, 5, "four connections")
        env.weir.proc.send_signal(signal.SIGSTOP)
        try:
            busy.sendall(b"said meanwhile")
            for _ in range(FRAMES):
                peer.send(ACK, b"x", seq=peer.snd_nxt)
            time.sleep(STOPPED)
        finally:
            env.weir.proc.send_signal(signal.SIGCONT)
        check_equal(busy.recv(100), b"said meanwhile", "echo")
        idle.sendall(b"after")
        check_equal(idle.recv(100), b"after", "echo")
        out, _ = client.communicate(timeout=STOPPED + patience(60))
        check_equal(client.returncode, 0, f"the download: {out}")
        peer.snd_nxt += 1
        peer.reset()
    wait_until(lambda: env.weir.counter("worker_paused") > before["worker_paused"], 5,
               "the pause is counted")
    wait_until(lambda: any(env.weir.counter(k) > before[k] for k in LOST), 5,
               "frames that no ring had room for are counted")
    with env.lab.connect(7, timeout=20) as sock:
        sock.sendall(b"new")
        check_equal(sock.recv(10), b"new", "echo to a new client")
    env.weir.wait_quiet(10)


def main():
    if "WEIR_VM" not in os.environ:
        print("half a minute of standing still: in guests alone", file=sys.stderr)
        return 77
    return run(fixture, half_a_minute)


if __name__ == "__main__":
    sys.exit(main())
