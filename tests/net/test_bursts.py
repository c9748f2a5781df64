# SPDX-License-Identifier: BSD-2-Clause
"""Bulk data in bursts that the kernel cuts: byte-exact, in frames of the MTU, and when."""
import contextlib
import sys

from rawtcp import Wire
from weirlab import (Cases, Lab, Weir, check, check_equal, need, scaled, serving, site,
                     wait_until)

SIZE = scaled(20000000, least=5000000)


def fixture(*args, **lab):
    @contextlib.contextmanager
    def make():
        with site(file__bin=SIZE) as root:
            with serving([f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}"], *args,
                         root=root, **lab) as env:
                with open(f"{root}/file.bin", "rb") as f:
                    env.want = f.read()
                yield env
    return make


def download(env):
    check(env.lab.curl("http://10.0.0.2/file.bin") == env.want, "the file over IPv4")
    check(env.lab.curl("-g", "http://[fd00::2]/file.bin") == env.want, "the file over IPv6")


def in_bursts(env):
    # Workers tell their counters a few times a second.
    wait_until(lambda: env.weir.counters()["tx_bursts"] > 0, 3, "no burst was sent")
    counters = env.weir.counters()
    check_equal(counters["tx_burst_failed"], 0, "bursts that the kernel did not take")
    check(counters["worker_tx_frames"] > 4 * counters["tx_bursts"], "bursts of many segments")


def frames_fit(env):
    """The client's end sees no frame beyond the MTU, and every checksum made."""
    mtu = env.lab.link("server")["mtu"]
    with Wire(env.lab) as wire, env.lab.connect(80) as sock:
        sock.sendall(b"GET /file.bin HTTP/1.1\r\nHost: w\r\n\r\n")
        for _ in range(50):
            sock.recv(65536)
        longest = max(len(frame) - 14 for frame, seg, outgoing in wire.drain()
                      if seg is not None and not outgoing)
    check(0.9 * mtu < longest <= mtu, f"an IP packet of {longest} bytes on MTU {mtu}")


def lost_pieces(env):
    """Of a burst some frames are lost, and they alone are sent again."""
    download(env)
    counters = env.weir.counters()
    check(counters["rtx_segments"] > 0, "nothing was lost")
    check(counters["rtx_segments"] < counters["worker_tx_frames"] / 4,
          f"{counters['rtx_segments']} sent again of {counters['worker_tx_frames']}")
    in_bursts(env)


@contextlib.contextmanager
def bare_lab():
    with Lab() as lab:
        yield lab


def said(lab, *args):
    with Weir(lab, ["10.0.0.2:7=echo"], "--log-level", "info", *args) as weir:
        lines = [line for line in weir.log().splitlines() if "bulk data" in line]
    check_equal(len(lines), 1, f"lines about bulk data: {lines}")
    return lines[0]


def chosen(lab):
    """Unless asked, not where an XDP program would see checksums that nobody made."""
    line = said(lab)
    check("frame by frame" in line and "tx off" in line, line)
    check("in bursts" in said(lab, "--bursts", "on"), "--bursts on")
    lab.run("server", "ethtool", "-K", lab.iface["server"], "tx", "off")
    check("in bursts" in said(lab), "auto, where the kernel makes the checksums")
    check("as asked for" in said(lab, "--bursts", "off"), "--bursts off")


need()
cases = Cases()
for size in (1500, 3000):
    cases.group(fixture("--bursts", "on", mtu=size), (download, in_bursts, frames_fit),
                f"mtu-{size}-")
# A container: its segments reach us whole, ours reach it whole, and auto says yes.
cases.group(fixture("--accept-partial-csum", no_peer_xdp=True), (download, in_bursts), "bare-peer-")
cases.group(fixture("--bursts", "on", loss=2), (lost_pieces,))
cases.group(bare_lab, (chosen,))
sys.exit(cases.status())
