# SPDX-License-Identifier: BSD-2-Clause
"""Clients without timestamps, SACK or window scaling, with ECN, and with loss."""
import contextlib
import sys

from rawtcp import ACK, ECE, SYN, Wire
from weirlab import Cases, check, check_equal, need, scaled, serving, site

ALL = {"tcp_timestamps": 1, "tcp_sack": 1, "tcp_window_scaling": 1, "tcp_ecn": 0}
CLIENTS = {
    "all": {},
    "no-timestamps": {"tcp_timestamps": 0},
    "no-sack": {"tcp_sack": 0},
    "no-wscale": {"tcp_window_scaling": 0},
    "bare": {"tcp_timestamps": 0, "tcp_sack": 0, "tcp_window_scaling": 0},
    "ecn": {"tcp_ecn": 1},
    "ecn-no-timestamps": {"tcp_ecn": 1, "tcp_timestamps": 0},
}


@contextlib.contextmanager
def fixture(**lab_options):
    with site(file__bin=scaled(3000000), short__bin=200000) as root:
        with serving([f"10.0.0.2:80=http:{root}", "10.0.0.2:7=echo"], root=root,
                     **lab_options) as env:
            yield env


def offered(seg):
    return {"tcp_timestamps": int(seg.option(8) is not None),
            "tcp_sack": int(seg.option(4) is not None),
            "tcp_window_scaling": int(seg.option(3) is not None),
            "tcp_ecn": int(bool(seg.flags & ECE))}


def transfer(env, settings, file, size):
    """The SYN offers what the settings say, the SYN-ACK takes exactly that, data is exact."""
    env.lab.sysctl("client", **dict(ALL, **settings))
    with open(f"{env.root}/{file}", "rb") as f:
        want = f.read()
    with Wire(env.lab) as wire:
        got = env.lab.curl("--connect-timeout", 30, f"http://10.0.0.2/{file}")
        frames = [(seg, outgoing) for _, seg, outgoing in wire.drain() if seg is not None]
    check(got == want, f"{len(got)} of {len(want)} bytes, or other ones")
    syn = next(seg for seg, outgoing in frames if outgoing and seg.flags & SYN)
    # Of this connection alone: weir may still repeat what the last ones did not acknowledge.
    answers = [seg for seg, outgoing in frames
               if not outgoing and (seg.sport, seg.dport) == (syn.dport, syn.sport)]
    answer = next(seg for seg in answers if seg.flags & (SYN | ACK) == SYN | ACK)
    check_equal(offered(syn), dict(ALL, **settings), "what the SYN offers")
    check_equal(offered(answer), dict(ALL, **settings), "what the SYN-ACK takes")
    data = [seg for seg in answers if seg.payload]
    check(all((seg.option(8) is not None) == bool(offered(syn)["tcp_timestamps"]) for seg in data),
          "timestamps on each segment or on none")
    result = env.lab.netclient("echo", 7, "--conns", 8, "--bytes", size)
    check(result["ok"] == 8, result)


def client(label, settings, file="file.bin", size=500000):
    def case(env):
        transfer(env, settings, file, size)

    case.label = label
    return case


need()
cases = Cases()
cases.group(fixture, [client(label, settings) for label, settings in CLIENTS.items()])
cases.group(lambda: fixture(loss=5),
            [client(label, CLIENTS[label], "short.bin", 60000)
             for label in ("all", "no-timestamps", "no-sack", "bare")], "loss-")
sys.exit(cases.status())
