# SPDX-License-Identifier: BSD-2-Clause
"""MTU 1280, 1500 and 3000: the MSS on both sides, and data both ways in full frames."""
import contextlib
import sys

from rawtcp import RawPeer, SYN, Wire, mss
from weirlab import SERVER6, Cases, check, check_equal, check_file, need, scaled, serving, site


def fixture(mtu):
    @contextlib.contextmanager
    def make():
        with site(file__bin=scaled(5000000, least=2000000)) as root:
            listen = [f"10.0.0.2:80=http:{root}", f"[fd00::2]:80=http:{root}", "10.0.0.2:7=echo",
                      "[fd00::2]:7=echo"]
            with serving(listen, root=root, mtu=mtu) as env:
                env.mtu = mtu
                yield env
    return make


def download(env):
    check_file(env)


def echo(env):
    for server in ("10.0.0.2", SERVER6):
        result = env.lab.netclient("echo", 7, "--conns", 4, "--bytes", scaled(1 << 20), server=server)
        check(result["ok"] == 4, result)


def mss_in_syn_ack(env):
    with Wire(env.lab) as wire:
        for v6, headers in ((False, 40), (True, 60)):
            peer = RawPeer(wire, 7, v6)
            peer.send(SYN, options=mss(65000), ack=0)
            answer = peer.expect(lambda seg: seg.flags & SYN, what="SYN-ACK")
            check_equal(int.from_bytes(answer.option(2), "big"), env.mtu - headers, "MSS")


def full_frames(env):
    """Segments as large as the MTU allows, none larger, and the mss in the table."""
    with Wire(env.lab) as wire, env.lab.connect(80) as sock:
        sock.sendall(b"GET /file.bin HTTP/1.1\r\nHost: w\r\n\r\n")
        for _ in range(20):
            sock.recv(65536)
        rows = env.weir.conns("ESTABLISHED")
        longest = max(len(frame) - 14 for frame, seg, outgoing in wire.drain()
                      if seg is not None and not outgoing)
    check(longest <= env.mtu, f"an IP packet of {longest} bytes on MTU {env.mtu}")
    check(longest > env.mtu * 0.75, f"at most {longest} bytes a packet on MTU {env.mtu}")
    check(0 < rows[0]["mss"] <= env.mtu - 40, f"mss {rows[0]['mss']}")


need()
cases = Cases()
for size in (1280, 1500, 3000):
    cases.group(fixture(size), (download, echo, mss_in_syn_ack, full_frames), f"mtu-{size}-")
sys.exit(cases.status())
